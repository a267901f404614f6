//! Types and rules: no I/O.

pub(crate) mod catalogue_query;
pub(crate) mod column_template;
pub(crate) mod csv;
pub(crate) mod hold;
pub(crate) mod image_url;
pub(crate) mod import_mapping;
pub(crate) mod import_records;
pub(crate) mod import_row;
pub(crate) mod low_stock;
pub(crate) mod product;
pub(crate) mod product_details;
pub(crate) mod product_edit;
pub(crate) mod product_view;
pub(crate) mod reservation;
pub(crate) mod reservation_log;
pub(crate) mod reservation_state;
pub(crate) mod reservation_time;
pub(crate) mod stock;
pub(crate) mod stock_change;
pub(crate) mod uploaded_image;
pub(crate) mod weight;
