package etlworks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/webhooks"
)

func webhookKey(id int64) string { return webhookPrefix + strconv.FormatInt(id, 10) }

// pipeOf is the id of the pipe that feeds a webhook.
func pipeOf(id int64) string { return pipePrefix + strconv.FormatInt(id, 10) }

// load reads a webhook, with the revision it has; nil if there is none.
func load(ctx context.Context, st store.Store, id int64) (*stored, uint64, error) {
	data, rev, err := st.State(ctx, webhookKey(id))
	if err != nil || data == nil {
		return nil, 0, err
	}
	s := new(stored)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, 0, fmt.Errorf("webhook %d cannot be read from the store: %w", id, err)
	}
	return s, rev, nil
}

// loadAll reads all webhooks, in the order of their numbers.
func loadAll(ctx context.Context, st store.Store) ([]*stored, error) {
	names, err := st.States(ctx, webhookPrefix)
	if err != nil {
		return nil, err
	}
	var all []*stored
	for _, name := range names {
		id, err := strconv.ParseInt(strings.TrimPrefix(name, webhookPrefix), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the state %q cannot be read: %w", name, err)
		}
		s, _, err := load(ctx, st, id)
		if err != nil {
			return nil, err
		}
		if s != nil {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *stored) int { return int(a.ID - b.ID) })
	return all, nil
}

// components are the pipes of all webhooks in the store.
func components(ctx context.Context, st store.Store) ([]*jsonpos.Node, diag.List) {
	all, err := loadAll(ctx, st)
	if err != nil {
		return nil, diag.List{{Rule: "etlworks/stored", Severity: diag.Error, Message: err.Error(),
			Help: "restore the data folder from a backup"}}
	}
	var nodes []*jsonpos.Node
	var finds diag.List
	for _, s := range all {
		n, more := s.component()
		finds.Add(more...)
		if n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes, finds
}

type object = map[string]any

// component is the pipe of a webhook.
func (s *stored) component() (*jsonpos.Node, diag.List) {
	pipe := object{
		"_id": pipeOf(s.ID), "type": "pipe",
		"comment": "the webhook " + strconv.FormatInt(s.ID, 10) + " of the Etlworks API; it is changed there",
		"source":  object{"type": "dataset", "dataset": EventsDataset, "supports_signalling": true, "require_populated_input": false},
		"transform": object{"type": "etlworks_event", "webhook": s.ID, "events": s.Events, "include_entity": s.IncludeEntity,
			"form": s.ContentType == webhooks.FormType, "since": s.Since},
		"sink": s.sink(),
	}
	data, err := json.Marshal(pipe)
	if err != nil {
		return nil, diag.List{{Rule: "etlworks/stored", Severity: diag.Error, Message: err.Error()}}
	}
	n, faults := jsonpos.Parse(fmt.Sprintf("webhook %d of the Etlworks API", s.ID), data)
	if len(faults) > 0 {
		return nil, diag.List{{Rule: "etlworks/stored", Severity: diag.Error, Message: faults[0].Error()}}
	}
	return n, nil
}

// reference is how the configuration speaks of a secret of the store.
func reference(ref string) string { return "$SECRET(" + secretPrefix + ref + ")" }

func (s *stored) sink() object {
	sink := object{
		"type": "webhook", "url": s.URL, "method": s.Method, "content_type": s.ContentType, "headers_property": "headers",
		"payload_property": "payload", "event_id_property": "_id", "event_id_header": "X-Etl-Webhook-Event-Id",
		"attempt_header": "X-Etl-Webhook-Attempt", "retry": s.Retry, "while_disabled": "skip",
		"log_limit": viewed, "log_response_bytes": 128 << 10,
	}
	headers := object{}
	for _, h := range s.Headers {
		if headers[h.Key] = h.Value; h.Ref != "" {
			headers[h.Key] = reference(h.Ref)
		}
	}
	sink["headers"] = headers
	if s.BasicUser != "" {
		if sink["username"] = s.BasicUser; s.Pass != "" {
			sink["password"] = reference(s.Pass)
		}
	}
	if len(s.Secrets) == 0 || s.Method == http.MethodGet {
		return sink
	}
	if sink["signature"] = "etlworks"; s.SignatureEncoding == "base64" {
		sink["signature"] = "etlworks-base64"
	}
	sink["secret"], sink["standard_webhooks"] = reference(s.Secrets[0].Ref), s.StandardWebhooks
	var older []object
	for _, k := range s.Secrets[1:] {
		older = append(older, object{"secret": reference(k.Ref), "until": k.Until.UTC().Format(time.RFC3339)})
	}
	if older != nil {
		sink["previous_secrets"] = older
	}
	return sink
}
