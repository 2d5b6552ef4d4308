package server

import (
	"mime"
	"net/http"
)

// mostForm is how many bytes a form may have.
const mostForm = 1 << 20

// readForm reads a form of either encoding; false if it has answered that it is none.
func readForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	err := r.ParseForm()
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "multipart/form-data" {
		err = r.ParseMultipartForm(mostForm)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "a form with an operation is expected")
	}
	return err == nil
}
