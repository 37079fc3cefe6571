-- New planes are added, known ones updated where something changed.
insert into dw.plane as d (tailnum, year, type, manufacturer, model, engines, seats, speed, engine)
select tailnum, year, type, manufacturer, model, engines, seats, speed, engine from stage.plane
on conflict (tailnum) do update set (year, type, manufacturer, model, engines, seats, speed, engine) =
  (excluded.year, excluded.type, excluded.manufacturer, excluded.model, excluded.engines, excluded.seats, excluded.speed, excluded.engine)
where (d.year, d.type, d.manufacturer, d.model, d.engines, d.seats, d.speed, d.engine) is distinct from
  (excluded.year, excluded.type, excluded.manufacturer, excluded.model, excluded.engines, excluded.seats, excluded.speed, excluded.engine);
