-- Before each daily file: its day in the date dimension, and the partition of its month.
insert into dw.date (date_id, year, quarter, month, day, iso_weekday)
select d, extract(year from d), extract(quarter from d), extract(month from d), extract(day from d), extract(isodow from d)
from (select current_setting('wharf.business_date')::date as d) as day
on conflict (date_id) do nothing;

do $$
declare
  first date := date_trunc('month', current_setting('wharf.business_date')::date);
  part text := format('weather_%s', to_char(first, 'YYYY_MM'));
begin
  if to_regclass(format('dw.%I', part)) is null then
    execute format('create table dw.%I partition of dw.weather for values from (%L) to (%L)', part, first, first + interval '1 month');
  end if;
end
$$;
