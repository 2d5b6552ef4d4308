package sources

import (
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceio/sluice/entity"
)

// Whatever a broker delivers becomes an entity that can be stored and read
// again.
func FuzzAMQPEntity(f *testing.F) {
	f.Add("m1", "application/json", `{"a": [1, 2.5]}`, "k", "v", int64(1))
	f.Add("", "text/plain; charset=\xff", "\xff\x00", "\xff", "\x00", int64(-1))
	f.Add("~:x", "application/x+json", `{"_id": 1, "_id": 2}`, "_deleted", "true", int64(0))
	f.Fuzz(func(t *testing.T, id, kind, body, name, value string, n int64) {
		d := &amqp.Delivery{MessageId: id, ContentType: kind, Body: []byte(body), RoutingKey: name, Exchange: value, CorrelationId: value, Type: kind, Timestamp: time.Unix(n%(1<<33), 0),
			Headers: amqp.Table{name: value, "n": n, "l": []any{value, amqp.Table{name: n}, nil, float32(n)}, "d": amqp.Decimal{Scale: uint8(n % 19), Value: int32(n)}}}
		text := entity.AppendJSON(nil, amqpEntity(d, time.Unix(0, 0), entity.NewArena()))
		back, err := entity.Decode(nil, text, entity.DecodeOptions{})
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if again := entity.AppendJSON(nil, back); string(again) != string(text) {
			t.Errorf("stored\n%s\nread\n%s", text, again)
		}
		if got, ok := entity.ID(back); !ok || id != "" && strings.TrimPrefix(got, "id:") != strings.TrimPrefix(strings.ToValidUTF8(id, "\uFFFD"), "id:") {
			t.Errorf("the id %q of %q", got, id)
		}
	})
}
