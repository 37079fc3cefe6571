-- After each daily file, in its transaction: what does not fit the star is refused, and the file with it.
do $$
declare
  bad record;
begin
  select origin into bad from stage.weather s where not exists (select from dw.airport a where a.faa = s.origin) limit 1;
  if found then
    raise exception 'airport % is not in the dimension', bad.origin;
  end if;
  select year, month, day into bad from stage.weather
  where make_date(year, month, day) <> current_setting('wharf.business_date')::date limit 1;
  if found then
    raise exception 'a row of %-%-% is in the file of %', bad.year, bad.month, bad.day, current_setting('wharf.business_date');
  end if;
end
$$;

insert into dw.weather (date_id, airport_id, observed_at, hour, temp_f, dewpoint_f, humidity_percent, wind_direction_deg, wind_speed_mph,
                        wind_gust_mph, precipitation_in, pressure_mbar, visibility_mi, load_id)
select current_setting('wharf.business_date')::date, a.airport_id, s.time_hour, s.hour, s.temp, s.dewp, s.humid, s.wind_dir, s.wind_speed,
       s.wind_gust, s.precip, s.pressure, s.visib, current_setting('wharf.load_id')
from stage.weather s join dw.airport a on a.faa = s.origin;
