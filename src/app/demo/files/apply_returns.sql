-- Returns come days or weeks late: they change sales of older, otherwise quiet partitions.
update retail.fact_sales s
set returned_quantity = returned.quantity
from (select sale_id, sale_date, sum(quantity)::smallint as quantity from retail.fact_return group by sale_id, sale_date) returned
where s.sale_id = returned.sale_id
  and s.sale_date = returned.sale_date
  and s.returned_quantity is distinct from returned.quantity
  and s.sale_date >= (select max(return_date) - 45 from retail.fact_return);
