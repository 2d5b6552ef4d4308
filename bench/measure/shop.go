package measure

import (
	"fmt"

	"github.com/sluiceio/sluice/config"
)

// Shop are pipes that receive events of orders, transform them, and merge them with
// a full scan. Callers sign with the secret "key".
const Shop = `[
 {"_id": "shop", "type": "system:url", "url_pattern": "http://shop.example/%s"},
 {"_id": "shop-order-event", "type": "pipe", "source": {"type": "http_endpoint", "system": "shop",
   "validation_expression": "{% if request_headers['X-Shop-Signature'] == b64encode(hmacsha256digest(secret('key'), request_body)) %}{% else %}FAIL!{% endif %}"},
  "sink": {"set_initial_offset": "onload"}},
 {"_id": "shop-order-event2", "type": "pipe", "source": {"type": "dataset", "dataset": "shop-order-event"},
  "transform": {"type": "dtl", "rules": {"default": [
    ["if", ["eq", "order.deletion", "_S.eventType"], ["add", "_deleted", true]],
    ["merge", "_S.order"], ["add", "event", "_S.eventType"], ["remove", "customer"]]}},
  "sink": {"deletion_tracking": false, "set_initial_offset": "onload"}},
 {"_id": "shop-order-all", "type": "pipe", "source": {"type": "embedded", "entities": []}},
 {"_id": "shop-order-collect", "type": "pipe", "source": {"type": "merge_datasets", "datasets": ["shop-order-all", "shop-order-event2"]}}]`

// Config reads a configuration whose secret "key" is given.
func Config(text, key string) (*config.Config, error) {
	c, finds := config.Parse("bench.conf.json", []byte(text), config.Options{Environ: []string{"SLUICE_SECRET_key=" + key}})
	if finds.HasErrors() {
		return nil, fmt.Errorf("%+v", finds)
	}
	return c, nil
}
