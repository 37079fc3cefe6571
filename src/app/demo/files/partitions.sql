-- Two months ahead of the newest day, so that no load waits for a partition.
select retail.add_month(month::date)
from (select coalesce(max(sale_date), date '2026-01-01') as newest from retail.fact_sales) days
cross join lateral generate_series(date_trunc('month', newest), newest + interval '2 months', interval '1 month') month;
