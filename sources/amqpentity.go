package sources

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"mime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/messages"
)

// amqpEntity makes an entity of a delivery: what it says is the same when it is
// delivered again, but for messages without an id.
func amqpEntity(d *amqp.Delivery, now time.Time, a *entity.Arena) entity.Value {
	id := valid(d.MessageId)
	if id == "" {
		id = messages.NewID(now)
	}
	if strings.HasPrefix(id, "~") {
		id = "id:" + id // read from a dataset, it would be no text
	}
	o := a.NewObject(8)
	o.Add(entity.IDKey, entity.NewString(id))
	o.Add("key", entity.NewString(valid(d.RoutingKey)))
	o.Add("exchange", entity.NewString(valid(d.Exchange)))
	o.Add("headers", tableOf(d.Headers, 0))
	o.Add("body", amqpBody(d, a))
	o.Add("content_type", entity.NewString(valid(d.ContentType)))
	if !d.Timestamp.IsZero() {
		o.Add("published", entity.NewDatetime(d.Timestamp))
	}
	for _, p := range [][2]string{{"type", d.Type}, {"app_id", d.AppId}, {"user_id", d.UserId}, {"correlation_id", d.CorrelationId}, {"reply_to", d.ReplyTo}, {"expiration", d.Expiration}} {
		if p[1] != "" {
			o.Add(p[0], entity.NewString(valid(p[1])))
		}
	}
	return o.Value()
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// amqpBody reads a body by its content type: JSON as what it says, anything
// else as text or bytes. What is no JSON though it should be stays text: it
// must not block the queue.
func amqpBody(d *amqp.Delivery, a *entity.Arena) entity.Value {
	kind, _, _ := mime.ParseMediaType(d.ContentType)
	if kind == "application/json" || strings.HasSuffix(kind, "+json") {
		if v, err := entity.Decode(a, d.Body, entity.DecodeOptions{Plain: true, FloatAsDecimal: true}); err == nil {
			return v
		}
	}
	if utf8.Valid(d.Body) && d.ContentType != "application/octet-stream" {
		return entity.NewString(string(d.Body))
	}
	return entity.NewBytes(d.Body)
}

// deepestTable bounds tables in tables.
const deepestTable = 32

// tableOf is a table of AMQP as a dict, in order of names.
func tableOf(t amqp.Table, depth int) entity.Value {
	members := make([]entity.Member, 0, len(t))
	for _, name := range slices.Sorted(maps.Keys(t)) {
		members = append(members, entity.Member{Key: valid(name), Value: fieldOf(t[name], depth+1)})
	}
	return entity.NewDict(members...)
}

func fieldOf(f any, depth int) entity.Value {
	if depth > deepestTable {
		return entity.Value{}
	}
	switch f := f.(type) {
	case nil:
		return entity.Value{}
	case bool:
		return entity.NewBool(f)
	case string:
		return entity.NewString(valid(f))
	case []byte:
		return entity.NewBytes(f)
	case time.Time:
		return entity.NewDatetime(f)
	case float32:
		return entity.NewFloat(float64(f))
	case float64:
		return entity.NewFloat(f)
	case amqp.Table:
		return tableOf(f, depth)
	case []any:
		all := make([]entity.Value, len(f))
		for i, e := range f {
			all[i] = fieldOf(e, depth+1)
		}
		return entity.NewList(all...)
	case amqp.Decimal:
		return numberOf(new(big.Rat).Quo(big.NewRat(int64(f.Value), 1), power(f.Scale)).FloatString(int(f.Scale)))
	default: // integers of all sizes
		text, err := json.Marshal(f)
		if err != nil {
			return entity.NewString(valid(fmt.Sprint(f)))
		}
		return numberOf(string(text))
	}
}

// power is ten to the power of n.
func power(n uint8) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil))
}

func numberOf(text string) entity.Value {
	v, err := entity.DecodeString(text)
	if err != nil {
		return entity.NewString(text)
	}
	return v
}
