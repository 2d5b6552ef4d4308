package server

import (
	"embed"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/internal/page"
	"github.com/sluiceio/sluice/webhooks"
)

//go:embed pages/*.html
var pageFiles embed.FS

const hookHome = "/webhooks/"

// hookPages adds the pages on which people look at webhooks and their deliveries.
// They show and do what the API can.
func (s *server) hookPages(mux *http.ServeMux) {
	set, err := page.Parse(pageFiles, "pages")
	if err != nil {
		s.o.Log.Error("the pages of webhooks cannot be read", "error", err)
		return
	}
	set.Scripts = true
	p := &hookPages{s, set}
	mux.HandleFunc("GET "+hookHome+"{$}", p.inside(p.overview))
	mux.HandleFunc("GET "+hookHome+"{pipe}", p.inside(p.one))
	mux.HandleFunc("POST "+hookHome+"{pipe}", p.inside(p.operate))
	mux.HandleFunc("GET "+hookHome+"{pipe}/deliveries/{delivery}", p.inside(p.delivery))
	mux.HandleFunc("POST "+hookHome+"{pipe}/deliveries/{delivery}", p.inside(p.redeliver))
}

type hookPages struct {
	*server
	set *page.Set
}

// hookPage is what every page is made of.
type hookPage struct {
	Nonce, Title, Note, Problem string
	Webhooks                    []hookState
	Webhook                     hookState
	Status                      webhooks.Status // of the deliveries listed, "" for all
	Tabs                        []tab
	Deliveries                  []deliveryRow
	More                        bool // deliveries than are listed
	Delivery                    deliveryRow
}

type tab struct {
	Status webhooks.Status
	Name   string
}

func tabs() []tab {
	return []tab{{"", "all"}, {webhooks.Pending, "pending"}, {webhooks.Delivered, "delivered"}, {webhooks.Failed, "failed"}}
}

const (
	// rows is how many deliveries a page lists.
	rows = 100
	// longestShown is how much of a body a page shows, in bytes.
	longestShown = 64 << 10
)

// deliveryRow is a delivery as pages show it.
type deliveryRow struct {
	*webhooks.Delivery
	Cut bool // its body was longer
}

func rowOf(d *webhooks.Delivery) deliveryRow {
	row := deliveryRow{d, len(d.Body) > longestShown}
	if row.Cut {
		d.Body = strings.ToValidUTF8(d.Body[:longestShown], "")
	}
	slices.Reverse(d.Attempts)
	return row
}

// Last is the last try, nil if there was none.
func (r deliveryRow) Last() *webhooks.Attempt {
	if len(r.Attempts) == 0 {
		return nil
	}
	return &r.Attempts[0]
}

func (p *hookPages) show(w http.ResponseWriter, r *http.Request, status int, name string, d hookPage) {
	err := p.set.Show(w, status, name, func(nonce string) any { d.Nonce = nonce; return d })
	if err != nil {
		p.o.Log.Error("a page cannot be made", "path", r.URL.Path, "error", err)
		http.Error(w, "the page cannot be made; the node's log says why", http.StatusInternalServerError)
	}
}

// inside shows what went wrong.
func (p *hookPages) inside(h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		err := h(w, r)
		if err == nil {
			return
		}
		status, text := statusForWebhook(err), err.Error()
		if status == http.StatusInternalServerError {
			p.o.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
			text = "the node could not do it; its log says why"
		}
		p.show(w, r, status, "problem.html", hookPage{Title: "That did not work", Problem: text})
	}
}

func (p *hookPages) overview(w http.ResponseWriter, r *http.Request) error {
	d := hookPage{Title: "Webhooks"}
	for _, id := range p.engine.Webhooks() {
		h, err := p.hookState(r, id)
		if err != nil {
			return err
		}
		d.Webhooks = append(d.Webhooks, h)
	}
	p.show(w, r, http.StatusOK, "webhooks.html", d)
	return nil
}

func (p *hookPages) one(w http.ResponseWriter, r *http.Request) error {
	id, status := r.PathValue("pipe"), webhooks.Status(r.URL.Query().Get("status"))
	if !slices.ContainsFunc(tabs(), func(t tab) bool { return t.Status == status }) {
		status = ""
	}
	h, err := p.hookState(r, id)
	if err != nil {
		return err
	}
	q, err := p.engine.Webhook(id)
	if err != nil {
		return err
	}
	list, err := q.List(r.Context(), status, rows+1)
	if err != nil {
		return err
	}
	d := hookPage{Title: id, Note: note(r), Webhook: h, Status: status, Tabs: tabs(), More: len(list) > rows}
	for _, one := range list[:min(len(list), rows)] {
		d.Deliveries = append(d.Deliveries, rowOf(one))
	}
	p.show(w, r, http.StatusOK, "webhook.html", d)
	return nil
}

func (p *hookPages) delivery(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("pipe")
	h, err := p.hookState(r, id)
	if err != nil {
		return err
	}
	q, err := p.engine.Webhook(id)
	if err != nil {
		return err
	}
	one, err := q.Get(r.Context(), r.PathValue("delivery"))
	if err != nil {
		return err
	}
	p.show(w, r, http.StatusOK, "delivery.html", hookPage{Title: one.ID, Note: note(r), Webhook: h, Delivery: rowOf(one)})
	return nil
}

// note is what a page says after something was done.
func note(r *http.Request) string {
	const later = " Load the page again to see what came of it."
	done, count, _ := strings.Cut(r.URL.Query().Get("done"), "-")
	switch done {
	case "test":
		return "A test was queued." + later
	case "redeliver":
		return "The delivery is made once more." + later
	case "recover":
		if n, err := strconv.Atoi(count); err == nil {
			return fmt.Sprintf("Deliveries that had been given up and are made again: %d.", n)
		}
		return ""
	case "enable":
		return "The webhook is enabled."
	case "disable":
		return "The webhook is disabled."
	default:
		return ""
	}
}

// operate carries out what a button of a webhook asks for.
func (p *hookPages) operate(w http.ResponseWriter, r *http.Request) error {
	id, asked := r.PathValue("pipe"), r.PostFormValue("operation")
	var err error
	done := asked
	switch asked {
	case "test":
		_, err = p.testWebhook(r, id)
	case "recover":
		var n int
		inUTC(r.Form, "since", "until")
		n, err = p.recoverWebhook(r, id)
		done += "-" + strconv.Itoa(n)
	case "enable", "disable":
		err = p.engine.EnableWebhook(r.Context(), id, asked == "enable", engine.Switch{By: caller(r), Comment: r.PostFormValue("comment")})
	default:
		err = badRequest("there is no such button")
	}
	if err == nil {
		http.Redirect(w, r, hookHome+url.PathEscape(id)+"?done="+done, http.StatusSeeOther)
	}
	return err
}

// inUTC completes times: browsers leave out their zone, and the page says that they
// are in UTC.
func inUTC(form url.Values, names ...string) {
	for _, name := range names {
		for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05"} {
			if t, err := time.Parse(layout, form.Get(name)); err == nil {
				form.Set(name, t.Format(time.RFC3339))
			}
		}
	}
}

func (p *hookPages) redeliver(w http.ResponseWriter, r *http.Request) error {
	if r.PostFormValue("operation") != "redeliver" {
		return badRequest("there is no such button")
	}
	id, delivery := r.PathValue("pipe"), r.PathValue("delivery")
	q, err := p.engine.Webhook(id)
	if err == nil {
		err = q.Redeliver(r.Context(), delivery, time.Now())
	}
	if err == nil {
		// So that loading the page again does nothing twice.
		http.Redirect(w, r, hookHome+url.PathEscape(id)+"/deliveries/"+url.PathEscape(delivery)+"?done=redeliver", http.StatusSeeOther)
	}
	return err
}
