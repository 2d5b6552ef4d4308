package webhooks

import (
	"github.com/sluiceio/sluice/entity"
)

// AppendJSON appends a delivery as JSON for whoever asks; without its body and
// tries if brief.
func (d *Delivery) AppendJSON(dst []byte, brief bool) []byte {
	v := d.value()
	if !brief {
		return entity.AppendPlain(dst, v)
	}
	var members []entity.Member
	for _, m := range v.Object().Members() {
		if m.Key != "body" && m.Key != "attempts" {
			members = append(members, m)
		}
	}
	members = append(members, number("attempts", int64(len(d.Attempts))))
	if n := len(d.Attempts); n > 0 {
		last := &d.Attempts[n-1]
		members = append(members, number("last_status", int64(last.Status)), text("last_error", last.Error))
	}
	return entity.AppendPlain(dst, entity.NewDict(members...))
}
