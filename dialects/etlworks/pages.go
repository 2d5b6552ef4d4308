package etlworks

import (
	"embed"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluiceio/sluice/internal/page"
)

//go:embed pages/*.html
var pageFiles embed.FS

const (
	home       = "/etlworks/"
	cookieName = "sluice_etlworks"
)

// pages adds the pages of deliveries. They use nothing from outside, and can do what
// the API can.
func (a *api) pages(mux *http.ServeMux) {
	t, err := page.Parse(pageFiles, "pages")
	if err != nil {
		a.n.Log().Error("the pages of webhooks cannot be read", "error", err)
		return
	}
	p := &pages{api: a, templates: t}
	mux.HandleFunc("GET "+home+"{$}", p.inside(p.overview))
	mux.HandleFunc("GET "+home+"webhooks/{id}", p.inside(p.webhook))
	mux.HandleFunc("POST "+home+"webhooks/{id}", p.inside(p.operate))
	mux.HandleFunc("POST "+home+"webhooks/{id}/events/{event}", p.inside(p.redeliver))
	mux.HandleFunc("GET "+home+"login", func(w http.ResponseWriter, r *http.Request) { p.login(w, r, http.StatusOK, "") })
	mux.HandleFunc("POST "+home+"login", p.enter)
	mux.HandleFunc("POST "+home+"logout", p.leave)
}

type pages struct {
	*api
	templates *page.Set
}

// pageData is what every page is made of.
type pageData struct {
	Nonce, Title, Note, Problem string
	In                          bool // somebody is logged in
	Webhooks                    []*Webhook
	Webhook                     *Webhook
	Events                      []Event
}

// show writes a page.
func (p *pages) show(w http.ResponseWriter, r *http.Request, status int, name string, d pageData) {
	err := p.templates.Show(w, status, name, func(nonce string) any { d.Nonce = nonce; return d })
	if err != nil {
		p.n.Log().Error("a page cannot be made", "path", r.URL.Path, "error", err)
		http.Error(w, "the page cannot be made; the node's log says why", http.StatusInternalServerError)
	}
}

// inside lets only administrators through; others are asked for a token.
func (p *pages) inside(h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := bearer(r)
		if c, err := r.Cookie(cookieName); err == nil {
			token = c.Value
		}
		if no := admit(p.secret, token, p.n.Now()); no != nil {
			if token != "" {
				p.turnedAway(r, no)
			}
			p.login(w, r, no.status, no.why)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, longestBody)
		if err := h(w, r); err != nil {
			p.problem(w, r, err)
		}
	}
}

func (p *pages) problem(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	if status == 0 {
		p.n.Log().Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		status, err = http.StatusInternalServerError, errors.New("the node could not do it; its log says why")
	}
	p.show(w, r, status, "problem.html", pageData{Title: "That did not work", Problem: err.Error(), In: true})
}

func (p *pages) login(w http.ResponseWriter, r *http.Request, status int, problem string) {
	p.show(w, r, status, "login.html", pageData{Title: "Log in", Problem: problem})
}

// enter keeps a token in a cookie as long as it lives.
func (p *pages) enter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, longestBody)
	token := strings.TrimSpace(r.PostFormValue("token"))
	if no := admit(p.secret, token, p.n.Now()); no != nil {
		p.turnedAway(r, no)
		p.login(w, r, no.status, no.why)
		return
	}
	// The token ends by itself; a cookie without an age ends with the browser.
	http.SetCookie(w, p.cookie(token, 0))
	http.Redirect(w, r, home, http.StatusSeeOther)
}

func (p *pages) cookie(token string, age int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: token, Path: home, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: strings.HasPrefix(p.n.Address(), "https:"), MaxAge: age}
}

func (p *pages) leave(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, p.cookie("", -1))
	http.Redirect(w, r, home+"login", http.StatusSeeOther)
}

func (p *pages) overview(w http.ResponseWriter, r *http.Request) error {
	all, err := loadAll(r.Context(), p.st)
	if err != nil {
		return err
	}
	d := pageData{Title: "Webhooks", In: true}
	for _, s := range all {
		one, err := p.shown(r.Context(), s)
		if err != nil {
			return err
		}
		d.Webhooks = append(d.Webhooks, one)
	}
	p.show(w, r, http.StatusOK, "overview.html", d)
	return nil
}

func (p *pages) webhook(w http.ResponseWriter, r *http.Request) error {
	s, _, err := p.find(r)
	if err != nil {
		return err
	}
	one, err := p.shown(r.Context(), s)
	if err != nil {
		return err
	}
	events, err := p.view(r.Context(), s)
	if err != nil {
		return err
	}
	p.show(w, r, http.StatusOK, "webhook.html", pageData{Title: one.Name, Note: notes()[r.URL.Query().Get("done")], In: true, Webhook: one, Events: events})
	return nil
}

// notes are what a page says after something was done.
func notes() map[string]string {
	return map[string]string{
		"test":      "A test was sent. Load the page again to see what came of it.",
		"redeliver": "The event is sent once more. Load the page again to see what came of it.",
		"recover":   "What had been given up since then is sent again.",
		"enable":    "The webhook is enabled.", "disable": "The webhook is disabled.",
	}
}

// operate carries out what a button of a webhook asks for.
func (p *pages) operate(w http.ResponseWriter, r *http.Request) error {
	s, _, err := p.find(r)
	if err != nil {
		return err
	}
	action := r.PostFormValue("action")
	switch action {
	case "test":
		_, err = p.sendTest(r.Context(), s)
	case "recover":
		// Browsers leave out seconds and zone: the page says that times are UTC.
		if t, bad := time.Parse("2006-01-02T15:04", r.PostFormValue("since")); bad == nil {
			r.Form.Set("since", t.Format(time.RFC3339))
		}
		_, err = p.putBack(r, s)
	case "enable", "disable":
		err = p.enable(r.Context(), s.ID, action == "enable")
	default:
		err = invalid("there is no such button")
	}
	if err == nil {
		p.back(w, r, action)
	}
	return err
}

func (p *pages) redeliver(w http.ResponseWriter, r *http.Request) error {
	s, _, err := p.find(r)
	if err != nil {
		return err
	}
	q, err := p.queue(s.ID)
	if err == nil {
		err = q.Redeliver(r.Context(), r.PathValue("event"), p.n.Now())
	}
	if err == nil {
		p.back(w, r, "redeliver")
	}
	return err
}

// back leads to the page of the webhook, so that loading it again does nothing
// twice.
func (p *pages) back(w http.ResponseWriter, r *http.Request, done string) {
	http.Redirect(w, r, home+"webhooks/"+url.PathEscape(r.PathValue("id"))+"?done="+done, http.StatusSeeOther)
}
