package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/examples/webhooks/vendor"
)

// story is what the tour tells, and checks while it tells it.
func (t *tour) story(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{t.registration, t.events, t.forgery, t.merging, t.wiping} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	say("\nEverything was as told.")
	return nil
}

func (t *tour) registration(ctx context.Context) error {
	say("An invented shop, Cloverleaf, sells things. Its node reads eight pipe files from examples/webhooks/pipes.")
	say("\n1. The node registers its webhook with the shop (cloverleaf-order-registerwebhook)")
	err := eventually(ctx, "the webhook is registered", func() (bool, error) {
		_, n := t.shop.Webhooks()
		return n > 0, nil
	})
	if err != nil {
		return err
	}
	hooks, n := t.shop.Webhooks()
	if n != 1 {
		return fmt.Errorf("registered %d times", n)
	}
	say("   the shop will post to %s", hooks[len(hooks)-1].Address)
	return eventually(ctx, "the answer is stored", func() (bool, error) {
		e, err := t.find("cloverleaf-order-registerwebhook", "order-create")
		return e != nil, err
	})
}

// address is where the shop posts its events.
func (t *tour) address() string {
	hooks, _ := t.shop.Webhooks()
	return hooks[len(hooks)-1].Address
}

func (t *tour) events(ctx context.Context) error {
	say("\n2. Things happen in the shop, and it tells the node: signed, one small event each")
	t.shop.SetOrder(vendor.Order{ID: "order-2", Customer: "Bo", Total: 95, Status: "paid"})
	t.shop.SetOrder(vendor.Order{ID: "order-4", Customer: "Dina", Total: 15, Status: "open"})
	t.shop.DeleteOrder("order-3")
	for _, e := range []struct {
		vendor.Event
		what string
	}{
		{vendor.Event{ID: "order-4", Type: "order.creation"}, "Dina orders something"},
		{vendor.Event{ID: "order-2", Type: "order.propertyChange"}, "Bo pays"},
		{vendor.Event{ID: "order-3", Type: "order.deletion"}, "Cleo's order is deleted: looking it up finds nothing"},
		{vendor.Event{ID: "order-9", Type: "order.propertyChange"}, "an order that nobody can find is changed"},
		{vendor.Event{ID: "refund-1", Type: "refund.creation"}, "a refund: another pipe reads that subset"},
	} {
		status, err := t.shop.Deliver(ctx, t.address(), e.Event)
		if err != nil {
			return err
		}
		say("   %-9s %-21s %d  %s", e.ID, e.Type, status, e.what)
		if status != http.StatusOK {
			return fmt.Errorf("a good signature was answered with %d", status)
		}
	}
	return nil
}

func (t *tour) forgery(ctx context.Context) error {
	say("\n3. Somebody else tries: the same body with a signature of their own, and with none")
	body := []byte(`{"_id":"order-666","eventType":"order.creation"}`)
	for what, h := range map[string]http.Header{"forged": {vendor.SignatureHeader: {"bm90IHRoZSBzaWduYXR1cmU="}}, "unsigned": nil} {
		status, err := vendor.Post(ctx, t.address(), body, h)
		if err != nil {
			return err
		}
		say("   %-9s refused with %d", what, status)
		if status < 400 || status > 499 {
			return fmt.Errorf("a delivery that is %s was answered with %d", what, status)
		}
	}
	if e, err := t.find("cloverleaf-order-event", "order-666"); err != nil || e != nil {
		return fmt.Errorf("the forged event was stored: %v %v", e, err)
	}
	return nil
}

func (t *tour) merging(ctx context.Context) error {
	say("\n4. -event2 looks each order up; -collect merges that with the full scan (-all), the newest winning")
	err := eventually(ctx, "the events reach cloverleaf-order-collect", func() (bool, error) {
		created, err1 := t.find("cloverleaf-order-collect", "order-4")
		changed, err2 := t.find("cloverleaf-order-collect", "order-2")
		deleted, err3 := t.find("cloverleaf-order-collect", "order-3")
		refund, err4 := t.find("cloverleaf-refund-event", "refund-1")
		for _, err := range []error{err1, err2, err3, err4} {
			if err != nil {
				return false, err
			}
		}
		return created != nil && changed["status"] == "paid" && deleted["_deleted"] == true && refund != nil, nil
	})
	if err != nil {
		return err
	}
	if e, err := t.find("cloverleaf-order-event2", "order-9"); err != nil || e != nil {
		return fmt.Errorf("an update that finds nothing was not discarded: %v %v", e, err)
	}
	for _, dataset := range []string{"cloverleaf-order-event", "cloverleaf-order-event2", "cloverleaf-order-collect", "cloverleaf-refund-event"} {
		if err := t.table(dataset, "eventType", "customer", "total", "status"); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) wiping(ctx context.Context) error {
	say("\n5. By hand only: cloverleaf-webhook-wipe deletes the webhooks whose address is an old node's")
	before, _ := t.shop.Webhooks()
	if len(before) != 2 {
		return fmt.Errorf("there are %d webhooks before wiping", len(before))
	}
	if err := t.node.operate("cloverleaf-webhook-collect", "start"); err != nil {
		return err
	}
	err := eventually(ctx, "the webhooks are collected", func() (bool, error) {
		e, err := t.find("cloverleaf-webhook-collect", "wh-old")
		return e != nil, err
	})
	if err == nil {
		err = t.node.operate("cloverleaf-webhook-wipe", "start")
	}
	if err == nil {
		err = eventually(ctx, "the old webhook is deleted", func() (bool, error) {
			after, _ := t.shop.Webhooks()
			return len(after) == 1 && after[0].ID != "wh-old", nil
		})
	}
	if err == nil {
		say("   gone: wh-old at https://old-node.sesam.cloud/…; kept: our own")
	}
	return err
}

// find returns an entity of a dataset, nil if it is not there.
func (t *tour) find(dataset, id string) (map[string]any, error) {
	all, err := t.node.entities(dataset)
	if err != nil {
		if strings.Contains(err.Error(), "404") {
			return nil, nil // not made yet
		}
		return nil, err
	}
	i := slices.IndexFunc(all, func(e map[string]any) bool { return e["_id"] == id })
	if i < 0 {
		return nil, nil
	}
	return all[i], nil
}

// table prints a dataset.
func (t *tour) table(dataset string, columns ...string) error {
	all, err := t.node.entities(dataset)
	if err != nil {
		return err
	}
	say("\n   %s", dataset)
	slices.SortFunc(all, func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a["_id"]), fmt.Sprint(b["_id"])) })
	for _, e := range all {
		cells := []string{fmt.Sprintf("%-9s", e["_id"])}
		for _, c := range columns {
			if v, ok := e[c]; ok {
				cells = append(cells, fmt.Sprintf("%s=%v", c, v))
			}
		}
		if e["_deleted"] == true {
			cells = append(cells, "DELETED")
		}
		say("     %s", strings.Join(cells, "  "))
	}
	return nil
}
