package etlworks

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/webhooks"
)

// draft is a change of a webhook that is being made.
type draft struct {
	*stored
	keys  []string
	state []store.StateWrite
}

func (a *api) draft(s *stored) *draft { return &draft{stored: s, keys: keys(a.secret)} }

// keep has a secret kept, and returns its name.
func (d *draft) keep(secret string) (string, error) {
	ref := strconv.FormatInt(d.ID, 10) + "/" + rand.Text()
	w, err := seal(d.keys, ref, secret)
	d.state = append(d.state, w)
	return ref, err
}

// take makes the webhook what was asked for. Secrets that are not given, or
// given as they are shown, stay.
func (d *draft) take(w *Webhook) error {
	before := *d.stored
	id := d.ID
	d.Webhook = *w
	d.ID, d.Webhook.Secret, d.Webhook.BasicPass, d.Webhook.Enabled, d.Webhook.Warnings, d.Webhook.Disabled = id, nil, nil, nil, nil, ""
	if s := w.Secret; s != nil && *s != mask {
		d.Secrets = nil
		if *s != "" {
			ref, err := d.keep(*s)
			if err != nil {
				return err
			}
			d.Secrets = []sealed{{Ref: ref}}
		}
	}
	switch p := w.BasicPass; {
	case w.BasicUser == "", p != nil && *p == "":
		d.Pass = ""
	case p != nil && *p != mask:
		ref, err := d.keep(*p)
		if err != nil {
			return err
		}
		d.Pass = ref
	}
	if d.StandardWebhooks && len(d.Secrets) == 0 {
		return invalid("standardWebhooks needs a secret")
	}
	return d.takeHeaders(w.Headers, before.Headers)
}

func (d *draft) takeHeaders(given, before []Header) error {
	d.Headers = make([]Header, len(given))
	for i, h := range given {
		d.Headers[i] = h
		if !secretHeader(h.Key) {
			continue
		}
		if h.Value != mask {
			ref, err := d.keep(h.Value)
			if err != nil {
				return err
			}
			d.Headers[i] = Header{Key: h.Key, Ref: ref}
			continue
		}
		for _, b := range before {
			if strings.EqualFold(b.Key, h.Key) && b.Ref != "" {
				d.Headers[i] = Header{Key: h.Key, Ref: b.Ref}
			}
		}
	}
	return nil
}

// save writes the webhook and has the node take it up. If the node refuses, all
// is as it was.
func (a *api) save(ctx context.Context, d *draft, before *stored, rev uint64, more ...store.StateWrite) error {
	ctx = context.WithoutCancel(ctx) // a caller that goes away leaves nothing half done
	data, err := json.Marshal(d.stored)
	if err != nil {
		return err
	}
	def := store.StateWrite{Key: webhookKey(d.ID), Value: data, IfRev: rev}
	if err := a.commit(ctx, append(append([]store.StateWrite{def}, d.state...), more...)); err != nil {
		return err
	}
	if err := a.reload(ctx); err != nil {
		return errors.Join(err, a.restore(ctx, d, before))
	}
	return a.sweep(ctx, d.stored, before)
}

func (a *api) commit(ctx context.Context, all []store.StateWrite) error {
	p, err := a.st.Append(ctx, &store.Batch{State: all})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

// reload has the node take up what changed. Why it does not is in its log.
func (a *api) reload(ctx context.Context) error {
	if err := a.n.Reload(ctx); err != nil {
		a.n.Log().Error("a change of webhooks was not taken up", "error", err)
		return &refusal{http.StatusConflict, "the node did not take it up, and nothing was changed: something in its configuration is wrong, and its log says what"}
	}
	return nil
}

// restore undoes a change.
func (a *api) restore(ctx context.Context, d *draft, before *stored) error {
	undo := store.StateWrite{Key: webhookKey(d.ID), IfRev: store.AnyRev}
	if before != nil {
		data, err := json.Marshal(before)
		if err != nil {
			return err
		}
		undo.Value = data
	}
	all := []store.StateWrite{undo}
	for _, s := range d.state {
		all = append(all, store.StateWrite{Key: s.Key, IfRev: store.AnyRev})
	}
	return a.commit(ctx, all)
}

// sweep forgets secrets that nothing names any more.
func (a *api) sweep(ctx context.Context, now, before *stored) error {
	if before == nil {
		return nil
	}
	used := map[string]bool{}
	if now != nil {
		for _, ref := range now.refs() {
			used[ref] = true
		}
	}
	var all []store.StateWrite
	for _, ref := range before.refs() {
		if !used[ref] {
			all = append(all, store.StateWrite{Key: secretPrefix + ref, IfRev: store.AnyRev})
		}
	}
	if all == nil {
		return nil
	}
	return a.commit(ctx, all)
}

// create makes a webhook. It hears of what happens from now on. The secret is
// shown this once.
func (a *api) create(w http.ResponseWriter, r *http.Request) error {
	given, err := readWebhook(r.Body)
	if err != nil {
		return err
	}
	ctx, now := r.Context(), a.n.Now().UTC()
	id, ids, err := a.nextID(ctx)
	if err != nil {
		return err
	}
	if a.n.Config().Get(pipeOf(id)) != nil {
		return &refusal{http.StatusConflict, "the configuration has a pipe " + pipeOf(id) + " already, which the webhook would need: give that one another _id"}
	}
	since, _, err := last(ctx, a.st)
	if err != nil {
		return err
	}
	d := a.draft(&stored{Since: since, Created: now, Updated: now})
	d.ID = id
	if err := d.take(given); err != nil {
		return err
	}
	more := []store.StateWrite{ids}
	if !given.On() {
		off, err := webhooks.StartDisabled(pipeOf(id), "an administrator", "created so", now)
		if err != nil {
			return err
		}
		more = append(more, off)
	}
	if err := a.save(ctx, d, nil, 0, more...); err != nil {
		return err
	}
	shown, err := a.shown(ctx, d.stored)
	if err != nil {
		return err
	}
	if value(given.Secret) != "" {
		shown.Secret = given.Secret
	}
	return answer(w, http.StatusCreated, shown)
}

// nextID is a number that no webhook ever had, and the change that takes it.
func (a *api) nextID(ctx context.Context) (int64, store.StateWrite, error) {
	data, rev, err := a.st.State(ctx, idsKey)
	if err != nil {
		return 0, store.StateWrite{}, err
	}
	n, err := int64(0), error(nil)
	if data != nil {
		n, err = strconv.ParseInt(string(data), 10, 64)
	}
	n++
	return n, store.StateWrite{Key: idsKey, Value: strconv.AppendInt(nil, n, 10), IfRev: rev}, err
}

// update makes a webhook another.
func (a *api) update(w http.ResponseWriter, r *http.Request) error {
	s, rev, err := a.find(r)
	if err != nil {
		return err
	}
	given, err := readWebhook(r.Body)
	if err != nil {
		return err
	}
	if given.ID != 0 && given.ID != s.ID {
		return invalid("id is another than that of the address")
	}
	before := *s
	d := a.draft(s)
	if err := d.take(given); err != nil {
		return err
	}
	// It is switched first: the queue belongs to the node that is about to end.
	if given.Enabled != nil {
		if err := a.enable(r.Context(), s.ID, *given.Enabled); err != nil {
			return err
		}
	}
	if same(d.stored, &before) {
		return a.tell(w, r, http.StatusOK, s)
	}
	s.Updated = a.n.Now().UTC()
	if err := a.save(r.Context(), d, &before, rev); err != nil {
		return err
	}
	return a.tell(w, r, http.StatusOK, s)
}

// same tells whether two webhooks do the same.
func same(a, b *stored) bool {
	x, err := json.Marshal(a)
	y, other := json.Marshal(b)
	return err == nil && other == nil && string(x) == string(y)
}

func (a *api) enable(ctx context.Context, id int64, on bool) error {
	q, err := a.queue(id)
	if err != nil {
		return err
	}
	return q.SetEnabled(ctx, on, "an administrator", "", a.n.Now())
}

// remove deletes a webhook and all its deliveries.
func (a *api) remove(w http.ResponseWriter, r *http.Request) error {
	s, rev, err := a.find(r)
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(r.Context())
	if err := a.commit(ctx, []store.StateWrite{{Key: webhookKey(s.ID), IfRev: rev}}); err != nil {
		return err
	}
	if err := a.reload(ctx); err != nil {
		return errors.Join(err, a.restore(ctx, &draft{stored: s}, s))
	}
	if err := errors.Join(a.sweep(ctx, nil, s), webhooks.Forget(ctx, a.st, pipeOf(s.ID)), a.dropLog(ctx, s.ID)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// dropLog drops the log of a webhook that is gone, unless the feed does when it
// has read it.
func (a *api) dropLog(ctx context.Context, id int64) error {
	on, _, err := a.st.State(ctx, feedKey)
	if err != nil || on != nil {
		return err
	}
	return a.st.Drop(ctx, pipes.LogDataset(pipeOf(id)))
}

// Bounds of the time that a replaced secret still lives.
const (
	usualGrace   = 24 * time.Hour
	longestGrace = 7 * 24 * time.Hour
	mostOld      = 10
)

// rotation is what may be asked for of a new secret.
type rotation struct {
	Secret string   `json:"secret"`
	Grace  *float64 `json:"graceHours"`
}

// rotate gives a webhook a new secret. With the one before, Standard Webhooks
// headers are signed for some time still.
func (a *api) rotate(w http.ResponseWriter, r *http.Request) error {
	s, rev, err := a.find(r)
	if err != nil {
		return err
	}
	var asked rotation
	// No body at all has a secret made.
	if body := bufio.NewReader(r.Body); !empty(body) {
		if err := decodeStrict(body, &asked, "rotation"); err != nil {
			return err
		}
	}
	grace := usualGrace
	if asked.Grace != nil {
		grace = time.Duration(*asked.Grace * float64(time.Hour))
	}
	switch {
	case grace < 0 || grace > longestGrace:
		return invalidf("graceHours is a number from 0 to %g", longestGrace.Hours())
	case len(asked.Secret) > longestText:
		return invalidf("secret is longer than %d bytes", longestText)
	case asked.Secret == "":
		fresh := make([]byte, 32)
		rand.Read(fresh) // it never fails
		asked.Secret = "whsec_" + base64.StdEncoding.EncodeToString(fresh)
	}
	before, d := *s, a.draft(s)
	ref, err := d.keep(asked.Secret)
	if err != nil {
		return err
	}
	s.Updated = a.n.Now().UTC()
	s.Secrets = append([]sealed{{Ref: ref}}, old(before.Secrets, a.n.Now(), grace)...)
	if err := a.save(r.Context(), d, &before, rev); err != nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"id": s.ID, "secret": asked.Secret, "previousUntil": a.n.Now().Add(grace).UTC().Format(time.RFC3339)})
}

// empty tells whether there is no body.
func empty(body *bufio.Reader) bool {
	_, err := body.Peek(1)
	return errors.Is(err, io.EOF)
}

// old are secrets that live on for a time, the newest first.
func old(all []sealed, now time.Time, grace time.Duration) []sealed {
	var live []sealed
	for i, k := range all {
		if i == 0 {
			k.Until = now.Add(grace).UTC()
		}
		if k.Until.After(now) && len(live) < mostOld {
			live = append(live, k)
		}
	}
	return live
}
