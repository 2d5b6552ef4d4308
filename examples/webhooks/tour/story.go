package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sluiceio/sluice/examples/webhooks/vendorsim"
)

// story is what the tour tells, and checks while it tells it.
func (t *tour) story(ctx context.Context) error {
	say("Cloverleaf, an invented shop, sells things. Its node reads the pipes in examples/webhooks/pipes.")
	for _, chapter := range []func(context.Context) error{t.registration, t.events, t.forgery, t.merging, t.wiping} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	say("\nEverything was as told.")
	return nil
}

const (
	registered = "cloverleaf-order-registerwebhook"
	received   = "cloverleaf-order-event"
	lookedUp   = "cloverleaf-order-event2"
	collected  = "cloverleaf-order-collect"
	refunds    = "cloverleaf-refund-event"
	webhooks   = "cloverleaf-webhook-collect"
	wipe       = "cloverleaf-webhook-wipe"
)

func (t *tour) registration(ctx context.Context) error {
	say("\n1. The node tells the shop where to post, and the secret to sign with (-registerwebhook)")
	err := eventually(ctx, "the shop's answer to the registration is stored", func() (bool, error) {
		e, err := t.find(ctx, registered, "order-create")
		return e != nil, err
	})
	if err != nil {
		return err
	}
	if _, n := t.shop.Webhooks(); n != 1 {
		return fmt.Errorf("the node registered %d times", n)
	}
	h := t.ours()
	say("   %s → %s", h.ID, h.Address)
	return nil
}

// ours is the webhook the node registered: the newest.
func (t *tour) ours() vendorsim.Webhook {
	hooks, _ := t.shop.Webhooks()
	return hooks[len(hooks)-1]
}

// changes are what happens in the shop.
func (t *tour) changes() {
	t.shop.SetOrder(vendorsim.Order{ID: "order-4", Customer: "Dina", Total: 15, Status: "open"})
	t.shop.SetOrder(vendorsim.Order{ID: "order-2", Customer: "Bo", Total: 95, Status: "paid"})
	t.shop.DeleteOrder("order-3")
	t.shop.SetOrder(vendorsim.Order{ID: "order-1", Customer: "Anna", Total: 130, Status: "paid"})
}

func (t *tour) events(ctx context.Context) error {
	say("\n2. Things happen in the shop. It posts what happened, signed; how the order looks now it does not say")
	t.changes()
	for _, e := range []struct{ id, kind, what string }{
		{"order-4", "order.creation", "Dina orders something"},
		{"order-2", "order.propertyChange", "Bo pays"},
		{"order-3", "order.deletion", "Cleo's order is deleted"},
		{"order-8", "order.deletion", "an order that the node never heard of is deleted"},
		{"order-9", "order.propertyChange", "an order that the shop cannot find is changed"},
		{"refund-1", "refund.creation", "a refund, by the same webhook"},
		{"order-1", "order.propertyChange", "Anna adds something"},
	} {
		if err := t.deliver(ctx, e.id, e.kind, e.what); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) deliver(ctx context.Context, id, kind, what string) error {
	status, err := t.shop.Deliver(ctx, t.ours().Address, vendorsim.Event{ID: id, Type: kind})
	if err != nil {
		return err
	}
	say("   %-9s %-21s %d  %s", id, kind, status, what)
	if status != http.StatusOK {
		return fmt.Errorf("a good signature was answered with %d", status)
	}
	return nil
}

func (t *tour) forgery(ctx context.Context) error {
	say("\n3. Somebody else posts, without the secret")
	body := []byte(`{"_id":"order-666","eventType":"order.creation"}`)
	for _, f := range vendorsim.Forgeries(body, vendorsim.Sign(t.secret, []byte("{}"))) {
		status, err := vendorsim.Post(ctx, t.ours().Address, body, f.Header)
		if err != nil {
			return err
		}
		say("   %-31s refused with %d", f.Name, status)
		if status < 400 || status > 499 {
			return fmt.Errorf("%s was answered with %d", f.Name, status)
		}
	}
	e, err := t.find(ctx, received, "order-666")
	if e != nil {
		err = errors.New("the forged event was stored")
	}
	return err
}

func (t *tour) merging(ctx context.Context) error {
	say("\n4. -event2 looks each order up, -all scans all of them, -collect merges both: the newest wins")
	if err := t.settled(ctx); err != nil {
		return err
	}
	for _, id := range []string{"order-9", "refund-1"} {
		if e, err := t.find(ctx, lookedUp, id); err != nil || e != nil {
			return errors.Join(fmt.Errorf("%s was looked up in vain and is kept: %v", id, e), err)
		}
	}
	for _, dataset := range []string{received, lookedUp, collected, refunds} {
		if err := t.table(ctx, dataset, "eventType", "customer", "total", "status"); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until the datasets are what the shop is. Events are looked up
// in the order they came, so that the last one shows that all are through.
func (t *tour) settled(ctx context.Context) error {
	for _, w := range []struct {
		dataset, id string
		as          map[string]any
	}{
		{lookedUp, "order-1", map[string]any{"total": 130.0}},
		{collected, "order-1", map[string]any{"total": 130.0}},
		{collected, "order-4", map[string]any{"customer": "Dina", "status": "open"}},
		{collected, "order-2", map[string]any{"total": 95.0, "status": "paid"}},
		{collected, "order-3", map[string]any{"_deleted": true}},
		{refunds, "refund-1", map[string]any{"eventType": "refund.creation"}},
	} {
		err := eventually(ctx, fmt.Sprintf("%s in %s is %v", w.id, w.dataset, w.as), func() (bool, error) {
			e, err := t.find(ctx, w.dataset, w.id)
			return holds(e, w.as), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) wiping(ctx context.Context) error {
	say("\n5. By hand only: -wipe deletes the shop's webhooks that belong to hosted nodes (https://*.sesam.cloud/*)")
	if before, _ := t.shop.Webhooks(); len(before) != 2 {
		return fmt.Errorf("there are %d webhooks before wiping", len(before))
	}
	if err := t.node.operate(ctx, webhooks, "start"); err != nil {
		return err
	}
	err := eventually(ctx, "the webhooks are collected", func() (bool, error) {
		e, err := t.find(ctx, webhooks, vendorsim.OldWebhook)
		return e != nil, err
	})
	if err == nil {
		err = t.node.operate(ctx, wipe, "start")
	}
	if err == nil {
		err = eventually(ctx, "the old webhook is deleted", func() (bool, error) {
			after, _ := t.shop.Webhooks()
			return len(after) == 1 && after[0].ID != vendorsim.OldWebhook, nil
		})
	}
	if err == nil {
		say("   gone: %s; kept: %s, ours", vendorsim.OldWebhook, t.ours().ID)
	}
	return err
}

// again is told instead of the story when the node has datasets already: the
// shop is a new one, in memory, but the node has not forgotten anything.
func (t *tour) again(ctx context.Context) error {
	say("The node knows the shop from last time: it does not register again.")
	var known map[string]any
	err := eventually(ctx, "the registration of last time is found", func() (ok bool, err error) {
		known, err = t.find(ctx, registered, "order-create")
		return known != nil, err
	})
	if err != nil {
		return err
	}
	if _, n := t.shop.Webhooks(); n == 0 {
		answer, _ := known["insert_response"].(map[string]any)
		value, _ := answer["value"].(map[string]any)
		address, _ := value["address"].(string)
		topic, _ := value["topic"].(string)
		t.shop.Register(address, topic, t.secret)
	}
	if err := t.deliver(ctx, "order-2", "order.propertyChange", "Bo's order is touched"); err != nil {
		return err
	}
	return t.table(ctx, collected, "customer", "total", "status")
}
