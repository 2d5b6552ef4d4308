package membrane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/jsrun"
	"github.com/sluiceio/sluice/systems"
)

// keyedLocks are locks by name; there are as many as there were names.
type keyedLocks struct{ all sync.Map }

func (l *keyedLocks) lock(name string) (unlock func()) {
	m, _ := l.all.LoadOrStore(name, new(sync.Mutex))
	mu := m.(*sync.Mutex)
	mu.Lock()
	return mu.Unlock
}

// urgency is how much somebody wants a subscription.
type urgency int

const (
	ifDue   urgency = iota // unless it was tried a moment ago, or somebody unsubscribed it
	renewed                // now, and also if it is subscribed
)

// subscriptionID is the same for the same need.
func (s *externalEvent) subscriptionID(p parts) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s", p.integration.cfg.Key, s.cfg.Connection, s.cfg.Event, s.parameters()))
	return hex.EncodeToString(sum[:12])
}

// version tells from what the selector is made.
func (s *externalEvent) version(p parts) string {
	h := sha256.New()
	h.Write(p.event.text)
	h.Write(p.connection.cfg.Node.AppendJSON([]byte{0}))
	if params := p.integration.cfg.Parameters; params != nil {
		h.Write(params.AppendJSON([]byte{0}))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (s *externalEvent) now() time.Time {
	if s.env.Now == nil {
		return time.Now()
	}
	return s.env.Now()
}

// ensure returns the source's subscription as it stands, and makes it if it is not
// there, or not made from what is there now.
func (s *externalEvent) ensure(ctx context.Context, how urgency) (*subscription, error) {
	p, err := s.find()
	if err != nil {
		return nil, err
	}
	id := s.subscriptionID(p)
	defer s.locks.lock(id)()
	sub, err := s.registry.get(ctx, id)
	if err != nil {
		return nil, err
	}
	now, version := s.now(), s.version(p)
	anew := true
	switch {
	case sub == nil:
		sub = &subscription{ID: id, Integration: p.integration.cfg.Key, Connection: s.cfg.Connection, Event: s.cfg.Event,
			Config: s.parameters(), RealTime: true, Created: now}
	case !sub.Archived.IsZero():
		sub.Archived, sub.ByHand = time.Time{}, false
	case how == renewed:
		anew, sub.ByHand = sub.Status == unsubscribed, false
	case sub.ByHand, sub.Status == subscribed && sub.Version == version, sub.Status == failed && sub.Version == version && now.Before(sub.Next):
		return sub, nil
	default:
		anew = false
	}
	if anew {
		if err := s.from(ctx, sub, now); err != nil {
			return nil, err
		}
	}
	sub.User = p.connection.cfg.User
	if err := s.renew(ctx, p, sub, version); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err // that the caller went away is no failure of the function
	}
	return sub, s.registry.put(ctx, sub)
}

const (
	// retryFirst and retryMost are how long a subscription that failed waits.
	retryFirst = 10 * time.Second
	retryMost  = time.Hour
	// selectorTime is how long a function may take, with what it asks others.
	selectorTime = 30 * time.Second
)

// renew computes key and selector. That the function fails is no error here.
func (s *externalEvent) renew(ctx context.Context, p parts, sub *subscription, version string) error {
	key, selector, err := s.compute(ctx, p)
	now := s.now()
	sub.Version, sub.Error, sub.Warning, sub.Next = version, "", "", time.Time{}
	if err != nil {
		sub.Status, sub.Error = failed, err.Error()
		sub.Tries++
		sub.Next = now.Add(min(retryFirst<<min(sub.Tries-1, 20), retryMost))
		return nil
	}
	if sub.Key != "" && (sub.Key != key || sub.Selector != selector) {
		if err := s.from(ctx, sub, now); err != nil {
			return err
		}
	}
	sub.Status, sub.Tries, sub.Key, sub.Selector = subscribed, 0, key, selector
	if p.integration.hooks[key] == nil {
		keys := slices.Sorted(maps.Keys(p.integration.hooks))
		sub.Warning = fmt.Sprintf("the connector has no global webhook %q: no event will come; %s", key, nearKey(key, keys))
	}
	return nil
}

// compute runs getEventSelector. Errors show no secret.
func (s *externalEvent) compute(ctx context.Context, p parts) (key, selector string, err error) {
	hide := systems.NewSecrets(p.connection.env.Secret)
	args := map[string]json.RawMessage{"parameters": s.parameters()}
	if args["credentials"], err = opened(p.connection.cfg.Credentials, hide); err != nil {
		return "", "", err
	}
	own, err := opened(p.connection.cfg.Parameters, hide)
	if err != nil {
		return "", "", err
	}
	args["connection"], err = json.Marshal(map[string]any{"id": p.connection.cfg.Key, "key": p.connection.cfg.Key, "name": p.connection.cfg.Name,
		"userId": p.connection.cfg.User, "parameters": own})
	if err != nil {
		return "", "", err
	}
	text, err := json.Marshal(args)
	if err != nil {
		return "", "", err
	}
	value, _, err := run(ctx, s.pool, p.event.code, jsrun.Call{For: p.integration.cfg.Key + "/" + p.event.key, Args: text, Time: selectorTime,
		Names: []string{"getEventSelector", "getEventsSelector"}, Host: s.host(p)})
	if err != nil {
		return "", "", fmt.Errorf("getEventSelector: %s", hide.Redact(err.Error()))
	}
	var out struct{ GlobalWebhookKey, GlobalWebhookEventSelector *string }
	if json.Unmarshal(value, &out) != nil || out.GlobalWebhookKey == nil || out.GlobalWebhookEventSelector == nil {
		return "", "", fmt.Errorf("getEventSelector returned something else than { globalWebhookKey, globalWebhookEventSelector }, both texts")
	}
	return *out.GlobalWebhookKey, *out.GlobalWebhookEventSelector, nil
}
