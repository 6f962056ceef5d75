//! Says which of some labels fits a picture, in Rust. Needs an installed swiftclip (make install).
//!
//!     rustc -O classify.rs $(pkg-config --libs-only-L swiftclip)
//!     ./classify MODEL PICTURE LABEL LABEL...
//!
//! The declarations are those of swiftclip.h, as far as this program uses them; `bindgen swiftclip.h` writes all.

use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::process::ExitCode;
use std::ptr::{null, null_mut};

#[repr(C)]
struct Text {
    data: *const c_char,
    length: usize,
}

#[repr(C)]
struct Picture {
    path: *const c_char,
    data: *const c_void,
    size: usize,
    format: i32,
    width: i32,
    height: i32,
    stride: usize,
    reserved: u64,
}

type Progress = Option<unsafe extern "C" fn(*mut c_void, usize, usize) -> c_int>;

#[link(name = "swiftclip")]
extern "C" {
    fn swiftclip_last_error() -> *const c_char;
    fn swiftclip_model_open(path: *const c_char, options: *const c_void, model: *mut *mut c_void) -> c_int;
    fn swiftclip_model_free(model: *mut c_void);
    fn swiftclip_model_embed_dim(model: *const c_void) -> usize;
    fn swiftclip_encode_pictures(
        model: *const c_void, pictures: *const Picture, count: usize,
        embeddings: *mut f32, capacity: usize, progress: Progress, context: *mut c_void,
    ) -> c_int;
    fn swiftclip_classifier_create(
        model: *const c_void, labels: *const Text, label_count: usize, templates: *const Text, template_count: usize,
        progress: Progress, context: *mut c_void, classifier: *mut *mut c_void,
    ) -> c_int;
    fn swiftclip_classifier_free(classifier: *mut c_void);
    fn swiftclip_classifier_probabilities(
        classifier: *const c_void, embeddings: *const f32, count: usize, probabilities: *mut f32, capacity: usize,
    ) -> c_int;
}

/// A handle, and the function that frees it.
struct Handle(*mut c_void, unsafe extern "C" fn(*mut c_void));

impl Drop for Handle {
    fn drop(&mut self) {
        unsafe { (self.1)(self.0) }
    }
}

fn check(status: c_int) -> Result<(), String> {
    if status == 0 {
        return Ok(());
    }
    Err(unsafe { CStr::from_ptr(swiftclip_last_error()) }.to_string_lossy().into_owned())
}

fn classify(model_path: &str, picture: &str, labels: &[String]) -> Result<Vec<f32>, String> {
    let c_string = |s: &str| CString::new(s).map_err(|error| error.to_string());
    let (model_path, picture) = (c_string(model_path)?, c_string(picture)?);
    let texts: Vec<Text> = labels.iter().map(|s| Text { data: s.as_ptr().cast(), length: s.len() }).collect();
    let input = Picture {
        path: picture.as_ptr(), data: null(), size: 0, format: 0, width: 0, height: 0, stride: 0, reserved: 0,
    };
    // Pointers are of things that live until the end of this function, and lengths are theirs.
    unsafe {
        let mut model = Handle(null_mut(), swiftclip_model_free);
        check(swiftclip_model_open(model_path.as_ptr(), null(), &mut model.0))?;
        let mut classifier = Handle(null_mut(), swiftclip_classifier_free);
        check(swiftclip_classifier_create(
            model.0, texts.as_ptr(), texts.len(), null(), 0, None, null_mut(), &mut classifier.0,
        ))?;
        let mut embedding = vec![0.0; swiftclip_model_embed_dim(model.0)];
        check(swiftclip_encode_pictures(model.0, &input, 1, embedding.as_mut_ptr(), embedding.len(), None, null_mut()))?;
        let mut probabilities = vec![0.0; labels.len()];
        check(swiftclip_classifier_probabilities(
            classifier.0, embedding.as_ptr(), 1, probabilities.as_mut_ptr(), probabilities.len(),
        ))?;
        Ok(probabilities)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() < 5 {
        eprintln!("usage: classify MODEL PICTURE LABEL LABEL...");
        return ExitCode::from(2);
    }
    let labels = &arguments[3..];
    match classify(&arguments[1], &arguments[2], labels) {
        Ok(probabilities) => {
            for (label, probability) in labels.iter().zip(probabilities) {
                println!("{:5.1} %  {}", 100.0 * probability, label);
            }
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("classify: {message}");
            ExitCode::FAILURE
        }
    }
}
