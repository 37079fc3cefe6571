-- New airports are added, known ones updated where something changed. None is removed: facts refer to them.
insert into dw.airport as d (faa, name, latitude, longitude, altitude_ft, utc_offset_h, dst, timezone)
select faa, name, lat, lon, alt, tz, dst, tzone from stage.airport
on conflict (faa) do update set (name, latitude, longitude, altitude_ft, utc_offset_h, dst, timezone) =
  (excluded.name, excluded.latitude, excluded.longitude, excluded.altitude_ft, excluded.utc_offset_h, excluded.dst, excluded.timezone)
where (d.name, d.latitude, d.longitude, d.altitude_ft, d.utc_offset_h, d.dst, d.timezone) is distinct from
  (excluded.name, excluded.latitude, excluded.longitude, excluded.altitude_ft, excluded.utc_offset_h, excluded.dst, excluded.timezone);
