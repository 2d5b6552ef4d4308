// Package messages is the node's message bus: a topic is a dataset of the node,
// a message an entity of it, and a consumer a place in it that is kept. Whoever
// publishes and whoever consumes need not know of one another; patterns over
// the messages' keys choose who gets what.
package messages

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/entity"
)

// Members of a message's entity, besides its _id.
const (
	keyKey         = "key"
	headersKey     = "headers"
	bodyKey        = "body"
	contentTypeKey = "content_type"
	publishedKey   = "published"
)

// Message is what is published to a topic.
type Message struct {
	// ID is unique in its topic; publishing one without gives it one. A message
	// with the id of one that is there takes its place.
	ID string
	// Key is what patterns choose by: words with dots between them.
	Key string
	// Headers is a dict, or null.
	Headers entity.Value
	// Body is any value.
	Body        entity.Value
	ContentType string
	// Published is when; publishing one without a time gives it the present.
	Published time.Time
	// At is its place in the topic, once it was read from there.
	At int64
}

// NewID returns an id that sorts by time and that nobody else makes.
func NewID(now time.Time) string {
	return now.UTC().Format("20060102T150405.000000000") + "-" + rand.Text()[:12]
}

// longestID is how many bytes the id of a message may have.
const longestID = 512

// check tells what is wrong with a message.
func (m *Message) check() error {
	switch kind := m.Headers.Kind(); {
	case len(m.ID) > longestID || !utf8.ValidString(m.ID) || strings.HasPrefix(m.ID, "~"):
		return fmt.Errorf("the id %.40q of a message is longer than %d bytes, not UTF-8, or begins with ~", m.ID, longestID)
	case kind != entity.Null && kind != entity.Dict:
		return fmt.Errorf("the headers of a message are of type %s; they must be a dict", kind)
	case !utf8.ValidString(m.ContentType):
		return errors.New("the content type of a message is not UTF-8")
	}
	return CheckKey(m.Key)
}

// Value is the entity of a message.
func (m *Message) Value() entity.Value {
	headers := m.Headers
	if headers.Kind() != entity.Dict {
		headers = entity.NewDict()
	}
	return entity.NewDict(
		entity.Member{Key: entity.IDKey, Value: entity.NewString(m.ID)},
		entity.Member{Key: keyKey, Value: entity.NewString(m.Key)},
		entity.Member{Key: headersKey, Value: headers},
		entity.Member{Key: bodyKey, Value: m.Body},
		entity.Member{Key: contentTypeKey, Value: entity.NewString(m.ContentType)},
		entity.Member{Key: publishedKey, Value: entity.NewDatetime(m.Published)})
}

// Of reads a message from its entity, which it goes on to refer to; false if
// the entity is deleted.
func Of(e entity.Value) (Message, bool) {
	if e.Kind() != entity.Dict || entity.Deleted(e) {
		return Message{}, false
	}
	var m Message
	for _, f := range e.Object().Members() {
		switch f.Key {
		case entity.IDKey:
			m.ID = f.Value.Text()
		case keyKey:
			m.Key = f.Value.Text()
		case headersKey:
			m.Headers = f.Value
		case bodyKey:
			m.Body = f.Value
		case contentTypeKey:
			m.ContentType = f.Value.Text()
		case publishedKey:
			m.Published = f.Value.Time()
		case entity.UpdatedKey:
			m.At, _ = f.Value.Int64()
		}
	}
	return m, true
}

// Key is the key of a message's entity.
func Key(e entity.Value) string {
	k, _ := e.Get(keyKey)
	return k.Text()
}
