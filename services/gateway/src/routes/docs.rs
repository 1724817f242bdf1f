//! `/docs`: Swagger UI, with all of its files embedded in this binary.

use std::sync::{Arc, LazyLock};

use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use envelope::Error;
use utoipa_swagger_ui::Config;

use crate::endpoint::Verb;
use crate::exchange::DOCS_PATTERN;
use crate::refusal::{self, Refusal};
use crate::routes::fallback::other_method;

/// The root of the documentation.
pub(super) const ROOT: &str = "/docs";
pub(super) fn register(config: &mut ServiceConfig) {
    let reads = || Verb::Get.guard();
    config
        .service(
            web::resource(ROOT).route(web::route().guard(reads()).to(redirect)).default_service(web::to(other_method)),
        )
        .service(
            web::resource(DOCS_PATTERN)
                .route(web::route().guard(reads()).to(file))
                .default_service(web::to(other_method)),
        );
}

/// The page's links are relative to the folder.
async fn redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

async fn file(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    static CONFIG: LazyLock<Arc<Config<'static>>> =
        LazyLock::new(|| Arc::new(Config::from("/openapi.json").validator_url("none")));
    let path = request.match_info().query("file");
    match utoipa_swagger_ui::serve(path, Arc::clone(&CONFIG)) {
        Ok(Some(file)) => {
            let mut response = HttpResponse::Ok();
            if file.gzpipped {
                response.insert_header((header::CONTENT_ENCODING, "gzip"));
            }
            Ok(response.content_type(file.content_type).body(file.bytes.into_owned()))
        }
        Ok(None) => Err(refusal::not_found().into()),
        Err(error) => Err(Error::internal(error.to_string()).into()),
    }
}
