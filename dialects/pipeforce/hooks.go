package pipeforce

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/webhooks"
)

const (
	defaultMost = 512000  // bytes of a payload, unless a webhook says otherwise
	ceiling     = 4194304 // that it may say
	leastToken  = 16      // characters of a token that somebody chose
	mostToken   = 128
)

// payloadTypes are how payloads are handed on.
func payloadTypes() []string { return []string{"raw", "base64", "outbound", "ignore"} }

func webhookCommands() []command {
	uuid := param{name: "uuid", doc: "Token of the webhook."}
	needed := uuid
	needed.required = true
	return []command{
		{name: "webhook.put", def: "eventKey", result: true, door: true, run: putWebhook,
			doc: "Creates or changes a webhook.",
			params: []param{
				{name: "eventKey", required: true, doc: "Key of the event that a call fires."}, uuid,
				{name: "payloadType", aliases: []string{"payloadHandling"}, enum: payloadTypes(), doc: "How the payload is handed on."},
				{name: "maxPayloadLength", doc: "Bytes that a payload may have, 4194304 at the most."},
				{name: "pipeline", deprecated: "let a pipeline begin with event.listen", doc: "Has no effect."},
			}},
		{name: "webhook.get", def: "uuid", result: true, door: true, run: getWebhook, doc: "Returns a webhook, or all.", params: []param{uuid}},
		{name: "webhook.delete", def: "uuid", door: true, run: deleteWebhook, doc: "Deletes a webhook, if it is there.", params: []param{needed}},
		{name: "webhook.receive", open: true, outside: true, doc: "Takes in a call.",
			params: []param{{name: "token", aliases: []string{"uuid"}, required: true, doc: "Token of the webhook."},
				{name: "pollingRedirectEnabled", doc: "Whether redirects lead to the result."}, {name: "wait", doc: "Whether the answer waits for the result."}}},
		{name: "webhook.receive.logs", def: "token", result: true, door: true, run: webhookLogs, doc: "Returns the last calls of a webhook.",
			params: []param{{name: "token", aliases: []string{"uuid"}, required: true, doc: "Token of the webhook."}}},
	}
}

// webhook is a definition.
type webhook struct {
	uuid, eventKey, payloadType string
	most                        int64
	created, updated            time.Time
}

// digest is what a webhook is filed under. It is of the whole token, so that how
// long a look-up takes says nothing of a part of it.
func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func webhookOf(v entity.Value) *webhook {
	return &webhook{uuid: strings.Clone(str(v, "uuid")), eventKey: strings.Clone(str(v, "eventKey")), payloadType: strings.Clone(str(v, "payloadType")),
		most: number(v, "maxPayloadLength"), created: moment(v, "created"), updated: moment(v, "updated")}
}

func (w *webhook) value() entity.Value {
	return entity.NewDict(text(entity.IDKey, digest(w.uuid)), text("uuid", w.uuid), text("eventKey", w.eventKey),
		text("payloadType", w.payloadType), member("maxPayloadLength", entity.NewInt(w.most)), at("created", w.created), at("updated", w.updated))
}

// webhook finds a definition by its token; nil if there is none.
func (rt *runtime) webhook(ctx context.Context, token string) (*webhook, error) {
	found, err := rt.get(ctx, hooksDataset, digest(token))
	if err != nil || found[0].IsNull() {
		return nil, err
	}
	w := webhookOf(found[0])
	if subtle.ConstantTimeCompare([]byte(w.uuid), []byte(token)) != 1 {
		return nil, nil
	}
	return w, nil
}

// shown is what callers see of a webhook.
func (rt *runtime) shown(ctx context.Context, w *webhook) (entity.Value, error) {
	calls, err := rt.get(ctx, callsDataset, digest(w.uuid))
	if err != nil {
		return entity.Value{}, err
	}
	last := entity.Value{}
	if t := moment(calls[0], "lastCalled"); !t.IsZero() {
		last = entity.NewInt(t.UnixMilli())
	}
	return entity.NewDict(text("eventKey", w.eventKey), text("uuid", w.uuid), text("webhookUrl", rt.base(ctx)+"/api/v3/webhook.receive?token="+url.QueryEscape(w.uuid)),
		text("payloadType", w.payloadType), member("maxPayloadLength", entity.NewInt(w.most)),
		member("created", entity.NewInt(w.created.UnixMilli())), member("updated", entity.NewInt(w.updated.UnixMilli())),
		member("lastCalled", last), member("callCount", entity.NewInt(number(calls[0], "callCount")))), nil
}

func putWebhook(ctx context.Context, x *exec, a args) (entity.Value, error) {
	w := &webhook{uuid: a.text("uuid"), payloadType: "base64", most: defaultMost, created: x.rt.now()}
	if w.uuid == "" {
		w.uuid = newUUID()
	}
	if err := checkToken(w.uuid); err != nil {
		return entity.Value{}, err
	}
	known, err := x.rt.webhook(ctx, w.uuid)
	if err != nil {
		return entity.Value{}, err
	}
	if known != nil {
		w = known
	}
	w.updated, w.eventKey = x.rt.now(), a.text("eventKey")
	if err := w.set(a); err != nil {
		return entity.Value{}, err
	}
	if err := x.rt.commit(ctx, store.Batch{Writes: []store.Write{change(hooksDataset, putOp(w.value()))}}); err != nil {
		return entity.Value{}, err
	}
	return x.rt.shown(ctx, w)
}

// set takes over what is given, and says what is wrong with it.
func (w *webhook) set(a args) (err error) {
	if w.eventKey == "" {
		return badParam("eventKey", "is missing")
	}
	if err := messages.CheckKey(eventPrefix + w.eventKey); err != nil {
		return badParam("eventKey", "cannot be %q: %v", w.eventKey, err)
	}
	if a.has("payloadType") {
		w.payloadType = strings.ToLower(a.text("payloadType"))
	}
	if !slices.Contains(payloadTypes(), w.payloadType) {
		return badParam("payloadType", "must be one of %s, not %.40q", strings.Join(payloadTypes(), ", "), w.payloadType)
	}
	if w.most, err = a.number("maxPayloadLength", w.most); err != nil {
		return err
	}
	if w.most < 0 || w.most > ceiling {
		return badParam("maxPayloadLength", "must be 0 to %d bytes, not %d", ceiling, w.most)
	}
	return nil
}

func checkToken(token string) error {
	ok := len(token) >= leastToken && len(token) <= mostToken
	for i := range len(token) {
		c := token[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
	}
	if !ok {
		return badParam("uuid", "must have %d to %d letters, digits, dots, hyphens and underscores: it is all that protects the webhook", leastToken, mostToken)
	}
	return nil
}

// newUUID makes a random UUID of version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func getWebhook(ctx context.Context, x *exec, a args) (entity.Value, error) {
	if token := a.text("uuid"); token != "" {
		w, err := x.rt.webhook(ctx, token)
		if err == nil && w == nil {
			err = problemf(404, "NotFoundException", "there is no webhook of that uuid")
		}
		if err != nil {
			return entity.Value{}, err
		}
		return x.rt.shown(ctx, w)
	}
	var all []entity.Value
	err := x.rt.each(ctx, hooksDataset, func(v entity.Value) error {
		shown, err := x.rt.shown(ctx, webhookOf(v))
		all = append(all, shown)
		return err
	})
	return entity.NewList(all...), err
}

// each calls back for all live entities of a dataset, the one changed longest ago
// first.
func (rt *runtime) each(ctx context.Context, dataset string, call func(v entity.Value) error) error {
	q := store.Query{Since: store.Start, Limit: 500}
	for {
		page, err := rt.store.Read(ctx, dataset, q, nil)
		if err != nil {
			return err
		}
		for _, v := range page.Entities {
			if entity.Deleted(v) {
				continue
			}
			if err := call(v); err != nil {
				return err
			}
		}
		if page.End {
			return nil
		}
		q.Since = page.Next
	}
}

func deleteWebhook(ctx context.Context, x *exec, a args) (entity.Value, error) {
	token := a.text("uuid")
	if token == "" {
		return entity.Value{}, badParam("uuid", "is missing")
	}
	id := digest(token)
	return entity.Value{}, x.rt.commit(ctx, store.Batch{Writes: []store.Write{change(hooksDataset, deleteOp(id)), change(callsDataset, deleteOp(id))}})
}

// inboxID is the name under which requests to webhooks are kept.
const inboxID = "pipeforce"

// mostLogs is how many calls webhook.receive.logs returns.
const mostLogs = 100

func webhookLogs(ctx context.Context, x *exec, a args) (entity.Value, error) {
	id := digest(a.text("token"))
	q := store.Query{Since: store.Start, Limit: 500, Reverse: true}
	var all []entity.Value
	for len(all) < mostLogs {
		page, err := x.rt.store.Read(ctx, webhooks.RequestsDataset(inboxID), q, nil)
		if err != nil {
			return entity.Value{}, err
		}
		for _, v := range page.Entities {
			if str(v, "event") == id && !entity.Deleted(v) && len(all) < mostLogs {
				all = append(all, requestShown(v))
			}
		}
		if page.End {
			break
		}
		q.Since = page.Next
	}
	return entity.NewList(all...), nil
}

// requestShown is a request without what its sender wrote.
func requestShown(v entity.Value) entity.Value {
	var all []entity.Member
	for _, key := range []string{"received", "remote", "method", "headers", "outcome", "reason"} {
		if m, ok := v.Get(key); ok {
			all = append(all, member(key, m))
		}
	}
	return entity.NewDict(all...)
}
