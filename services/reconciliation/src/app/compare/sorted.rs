//! Sorted streams that are merged by their keys.

use envelope::Error;
use futures::stream::{BoxStream, StreamExt as _};

use crate::domain::Keyed;

/// A stream of items in the order of their key; one page is in memory.
pub(super) struct Sorted<T: Keyed> {
    pages: BoxStream<'static, Result<Vec<T>, Error>>,
    page: std::vec::IntoIter<T>,
    head: Option<T>,
    last: Option<T::Key>,
}

impl<T: Keyed> Sorted<T> {
    pub(super) fn new(pages: BoxStream<'static, Result<Vec<T>, Error>>) -> Self {
        Self { pages, page: Vec::new().into_iter(), head: None, last: None }
    }

    /// The key of the next item; `None` at the end.
    ///
    /// # Errors
    /// Those of the stream, and a key that is below the one before: comparing further would find false differences.
    pub(super) async fn peek(&mut self) -> Result<Option<T::Key>, Error> {
        while self.head.is_none() {
            self.head = match self.page.next() {
                Some(item) => Some(item),
                None => match self.pages.next().await.transpose()? {
                    Some(page) => {
                        self.page = page.into_iter();
                        continue;
                    }
                    None => return Ok(None),
                },
            };
            let key = self.head.as_ref().map(T::key);
            if self.last.is_some() && key < self.last {
                return Err(Error::internal("a stream is not in the order of its keys"));
            }
            self.last = key;
        }
        Ok(self.last.clone())
    }

    /// Takes the next item if it has this key.
    pub(super) async fn next_of(&mut self, key: &T::Key) -> Result<Option<T>, Error> {
        Ok(if self.peek().await?.as_ref() == Some(key) { self.head.take() } else { None })
    }

    /// Takes all items with this key.
    ///
    /// # Errors
    /// Those of [`Sorted::peek`], and when there are more than `most`.
    pub(super) async fn all_of(&mut self, key: &T::Key, most: usize) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        while let Some(item) = self.next_of(key).await? {
            if items.len() == most {
                return Err(Error::internal(format!("more than {most} items of one key")));
            }
            items.push(item);
        }
        Ok(items)
    }
}

/// The lowest of the next keys of several streams; `None` once all have ended.
pub(super) fn lowest<K: Ord>(keys: impl IntoIterator<Item = Option<K>>) -> Option<K> {
    keys.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::domain::SkuPieces;

    fn sorted(pages: &[&[&str]]) -> Sorted<SkuPieces> {
        let page =
            |skus: &&[&str]| Ok(skus.iter().map(|sku| SkuPieces { sku: sku.parse().unwrap(), pieces: 1 }).collect());
        Sorted::new(stream::iter(pages.iter().map(page).collect::<Vec<_>>()).boxed())
    }

    #[tokio::test]
    async fn items_of_a_key_are_gathered_across_pages() {
        let mut items = sorted(&[&["a", "b"], &[], &["b", "c"]]);
        assert!(items.next_of(&"b".parse().unwrap()).await.unwrap().is_none());
        assert!(items.next_of(&"a".parse().unwrap()).await.unwrap().is_some());
        assert_eq!(items.all_of(&"b".parse().unwrap(), 2).await.unwrap().len(), 2);
        assert_eq!(items.peek().await.unwrap(), Some("c".parse().unwrap()));
        assert!(items.next_of(&"c".parse().unwrap()).await.unwrap().is_some());
        assert_eq!(items.peek().await.unwrap(), None);
    }

    #[tokio::test]
    async fn items_out_of_order_and_too_many_items_are_errors() {
        let mut items = sorted(&[&["b"], &["a"]]);
        assert!(items.next_of(&"b".parse().unwrap()).await.is_ok());
        assert!(items.peek().await.is_err());
        let mut items = sorted(&[&["a", "a", "a"]]);
        assert!(items.all_of(&"a".parse().unwrap(), 2).await.is_err());
    }

    #[test]
    fn streams_are_read_by_their_lowest_key_until_all_have_ended() {
        assert_eq!(lowest([Some(3), None, Some(2)]), Some(2));
        assert_eq!(lowest::<u8>([None, None]), None);
    }
}
