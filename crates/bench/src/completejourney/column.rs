//! Reads single columns of a Parquet table, so that only the requested values are in memory.

use bytes::Bytes;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::DataType;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::error::DataError;

/// How many rows are decoded at a time.
const BATCH_ROWS: usize = 65_536;

/// A table in memory.
pub(super) struct Table {
    reader: SerializedFileReader<Bytes>,
}

impl Table {
    pub(super) fn open(content: Bytes) -> Result<Self, DataError> {
        Ok(Self { reader: SerializedFileReader::new(content)? })
    }

    /// The values of a column without nulls, each converted; `None` from `convert` means that a value is not valid.
    pub(super) fn values<T: DataType, V>(
        &self,
        column: &'static str,
        convert: impl Fn(&T::T) -> Option<V>,
    ) -> Result<Vec<V>, DataError> {
        let invalid = DataError::Column { column, problem: "holds a value that is not valid" };
        let values: Option<Vec<V>> = self.optional_values::<T, _>(column, convert)?.into_iter().collect();
        values.ok_or(invalid)
    }

    /// The values of a column, each converted; `None` for nulls and where `convert` gives `None`.
    pub(super) fn optional_values<T: DataType, V>(
        &self,
        column: &'static str,
        convert: impl Fn(&T::T) -> Option<V>,
    ) -> Result<Vec<Option<V>>, DataError> {
        let columns = self.reader.metadata().file_metadata().schema_descr();
        let index = columns.columns().iter().position(|descriptor| descriptor.name() == column);
        let index = index.ok_or(DataError::Column { column, problem: "is missing" })?;
        let descriptor = columns.column(index);
        if descriptor.physical_type() != T::get_physical_type() || descriptor.max_rep_level() > 0 {
            return Err(DataError::Column { column, problem: "has another type" });
        }
        let present = descriptor.max_def_level();
        let mut converted = Vec::new();
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        for group in 0..self.reader.num_row_groups() {
            let reader = self.reader.get_row_group(group)?.get_column_reader(index)?;
            let mut reader = get_typed_column_reader::<T>(reader);
            loop {
                levels.clear();
                values.clear();
                let (rows, _, _) = reader.read_records(BATCH_ROWS, Some(&mut levels), None, &mut values)?;
                if rows == 0 {
                    break;
                }
                let mut values = values.iter();
                let mut next = |level: i16| if level == present { values.next().and_then(&convert) } else { None };
                // A column without nulls has no levels.
                converted.extend((0..rows).map(|row| next(levels.get(row).copied().unwrap_or(present))));
            }
        }
        Ok(converted)
    }
}
