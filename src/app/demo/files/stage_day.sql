-- The newest day once more, in a table without WAL: what a recovery brings back empty, and the status page says so.
truncate stage.sales_day;
insert into stage.sales_day select * from retail.fact_sales where sale_date = (select max(sale_date) from retail.fact_sales);
