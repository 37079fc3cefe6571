-- The retail warehouse of the tour: four dimensions, two range-partitioned facts, an unlogged stage, a scratch schema.
create schema retail;
create schema stage;
create schema scratch;

create table retail.dim_store (
  store_id int primary key,
  name text not null,
  country text not null,
  opened_on date not null
);
create table retail.dim_product (
  product_id int primary key,
  name text not null,
  category text not null,
  list_price numeric(10, 2) not null
);
create table retail.dim_customer (
  customer_id int primary key,
  name text not null,
  segment text not null,
  country text not null,
  joined_on date not null
);
create table retail.dim_date (
  day date primary key,
  year int not null,
  month int not null,
  iso_week int not null,
  is_weekend boolean not null
);

create table retail.fact_sales (
  sale_id bigint not null,
  sale_date date not null,
  store_id int not null,
  product_id int not null,
  customer_id int,
  quantity smallint not null,
  amount numeric(12, 2) not null,
  returned_quantity smallint not null default 0
) partition by range (sale_date);

create table retail.fact_click (
  clicked_at timestamptz not null,
  session_id bigint not null,
  customer_id int,
  product_id int,
  page text not null,
  dwell_ms int not null
) partition by range (clicked_at);

create table retail.fact_return (
  return_date date not null,
  sale_id bigint not null,
  sale_date date not null,
  quantity smallint not null,
  reason text,
  primary key (sale_id, return_date)
);

-- Filled and emptied by each load: nothing that a recovery must bring back.
create unlogged table stage.sales_day (like retail.fact_sales);

create function retail.add_month(first_day date) returns void language plpgsql as $$
declare
  suffix text := to_char(first_day, 'YYYY_MM');
  next_month date := (first_day + interval '1 month')::date;
begin
  execute format('create table if not exists retail.fact_sales_%s partition of retail.fact_sales for values from (%L) to (%L)',
    suffix, first_day, next_month);
  execute format('create table if not exists retail.fact_click_%s partition of retail.fact_click for values from (%L) to (%L)',
    suffix, first_day::timestamp at time zone 'UTC', next_month::timestamp at time zone 'UTC');
end
$$;
