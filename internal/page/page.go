// Package page shows people pages that use nothing from outside.
package page

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
)

//go:embed style.css
var style string

//go:embed script.js
var script string

// Set is the pages of a part of the node.
type Set struct {
	all *template.Template
	// Scripts lets the pages run a script of their own.
	Scripts bool
}

// Parse reads the pages of a folder, *.html. Each is a template of html/template, for
// the data that Show is given; style and script are there as text to stand between
// their tags.
func Parse(files fs.FS, folder string) (*Set, error) {
	t := template.New("").Funcs(template.FuncMap{
		"escape": url.PathEscape,
		"style":  func() template.CSS { return template.CSS(style) },
		"script": func() template.JS { return template.JS(script) },
	})
	t, err := t.ParseFS(files, folder+"/*.html")
	if err != nil {
		return nil, fmt.Errorf("the pages of %s: %w", folder, err)
	}
	return &Set{all: t}, nil
}

// Show answers with a page. Data is asked for with the nonce that the page's own
// style and script must carry: a browser heeds no other ones, and nothing that is not
// of this node. An error means that nothing was answered.
func (s *Set) Show(w http.ResponseWriter, status int, name string, data func(nonce string) any) error {
	nonce := rand.Text()
	var page bytes.Buffer
	if err := s.all.ExecuteTemplate(&page, name, data(nonce)); err != nil {
		return err
	}
	may := ""
	if s.Scripts {
		may = "script-src 'nonce-" + nonce + "'; "
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; "+may+"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A reader that has gone away is nobody's error.
	_, _ = page.WriteTo(w)
	return nil
}
