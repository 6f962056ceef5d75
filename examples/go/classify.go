// Says which of some labels fits a picture, in Go through cgo. Needs an installed swiftclip (make install).
//
//	go build && ./classify MODEL PICTURE LABEL LABEL...
package main

/*
#cgo pkg-config: swiftclip
#include <stdlib.h>
#include <swiftclip.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

// check must run on the thread of the call that failed: the library's sentence belongs to it.
func check(status C.swiftclip_status) error {
	if status == C.SWIFTCLIP_OK {
		return nil
	}
	return errors.New(C.GoString(C.swiftclip_last_error()))
}

// text copies a string to C's memory: no pointer of Go may lie in what C is given.
func text(s string) C.swiftclip_text {
	return C.swiftclip_text{data: C.CString(s), length: C.size_t(len(s))}
}

func classify(path, picture string, labels []string) ([]float32, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	var model *C.swiftclip_model
	if err := check(C.swiftclip_model_open(cPath, nil, &model)); err != nil {
		return nil, err
	}
	defer C.swiftclip_model_free(model)

	texts := make([]C.swiftclip_text, len(labels))
	for i, label := range labels {
		texts[i] = text(label)
		defer C.free(unsafe.Pointer(texts[i].data))
	}
	var classifier *C.swiftclip_classifier
	err := check(C.swiftclip_classifier_create(model, &texts[0], C.size_t(len(texts)), nil, 0, nil, nil, &classifier))
	if err != nil {
		return nil, err
	}
	defer C.swiftclip_classifier_free(classifier)

	input := C.swiftclip_picture{path: C.CString(picture)}
	defer C.free(unsafe.Pointer(input.path))
	embedding := make([]C.float, C.swiftclip_model_embed_dim(model))
	if err := check(C.swiftclip_encode_pictures(model, &input, 1, &embedding[0], C.size_t(len(embedding)), nil, nil)); err != nil {
		return nil, err
	}
	probabilities := make([]float32, len(labels))
	err = check(C.swiftclip_classifier_probabilities(classifier, &embedding[0], 1,
		(*C.float)(unsafe.Pointer(&probabilities[0])), C.size_t(len(probabilities))))
	return probabilities, err
}

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: classify MODEL PICTURE LABEL LABEL...")
		os.Exit(2)
	}
	labels := os.Args[3:]
	probabilities, err := classify(os.Args[1], os.Args[2], labels)
	if err != nil {
		fmt.Fprintln(os.Stderr, "classify:", err)
		os.Exit(1)
	}
	for i, label := range labels {
		fmt.Printf("%5.1f %%  %s\n", 100*probabilities[i], label)
	}
}
