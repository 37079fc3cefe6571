-- The star: dimensions date, airport, plane; fact weather, partitioned by month. Staging tables have the shape of the files.
set local client_min_messages = warning;

create schema if not exists stage;
create schema if not exists dw;

create table if not exists stage.airport (
  faa text not null,
  name text not null,
  lat double precision not null,
  lon double precision not null,
  alt integer,
  tz numeric,
  dst text,
  tzone text
);

create table if not exists stage.plane (
  tailnum text not null,
  year smallint,
  type text,
  manufacturer text,
  model text,
  engines smallint,
  seats smallint,
  speed smallint,
  engine text
);

create table if not exists stage.weather (
  origin text not null,
  year smallint not null,
  month smallint not null,
  day smallint not null,
  hour smallint not null,
  temp double precision,
  dewp double precision,
  humid double precision,
  wind_dir smallint,
  wind_speed double precision,
  wind_gust double precision,
  precip double precision,
  pressure double precision,
  visib double precision,
  time_hour timestamptz not null
);

create table if not exists dw.date (
  date_id date primary key,
  year smallint not null,
  quarter smallint not null,
  month smallint not null,
  day smallint not null,
  iso_weekday smallint not null
);

create table if not exists dw.airport (
  airport_id integer generated always as identity primary key,
  faa text not null unique,
  name text not null,
  latitude double precision not null,
  longitude double precision not null,
  altitude_ft integer,
  utc_offset_h numeric,
  dst text,
  timezone text
);

create table if not exists dw.plane (
  plane_id integer generated always as identity primary key,
  tailnum text not null unique,
  year smallint,
  type text,
  manufacturer text,
  model text,
  engines smallint,
  seats smallint,
  speed smallint,
  engine text
);

create table if not exists dw.weather (
  date_id date not null references dw.date,
  airport_id integer not null references dw.airport,
  observed_at timestamptz not null,
  hour smallint not null,
  temp_f double precision,
  dewpoint_f double precision,
  humidity_percent double precision,
  wind_direction_deg smallint,
  wind_speed_mph double precision,
  wind_gust_mph double precision,
  precipitation_in double precision,
  pressure_mbar double precision,
  visibility_mi double precision,
  load_id text not null,
  primary key (airport_id, observed_at, date_id)
) partition by range (date_id);
