package pipeforce

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/urlquery"
	"github.com/sluiceio/sluice/systems"
)

func outwardCommands() []command {
	all := []command{
		{name: "iam.run.as", def: "username", open: true, run: runAs, doc: "Runs what follows as another user.",
			params: []param{{name: "username", required: true, doc: "Name of the user."}, {name: "caching", literal: true, doc: "Has no effect."}}},
		{name: "mail.send", aliases: []string{"mail"}, def: "to", door: true, run: sendMail, doc: "Sends a mail.",
			params: []param{
				{name: "to", required: true, doc: "Addresses: a text with commas, or a list."},
				{name: "from", doc: "Address it comes from."}, {name: "fromName", doc: "Name that goes with it."},
				{name: "subject", doc: "Its subject."},
				{name: "message", aliases: []string{"body"}, doc: "Its text; else the body."},
				{name: "replyTo", doc: "Address for answers."},
				{name: "attachments", doc: "Values, or dicts with name, contentType and base64."},
			}},
	}
	for _, method := range []string{"get", "post", "put", "patch", "delete"} {
		all = append(all, command{name: "http." + method, def: "url", result: true, door: true, run: httpCall(strings.ToUpper(method)),
			doc: "Calls an address by " + strings.ToUpper(method) + ".",
			params: []param{
				{name: "url", required: true, doc: "The address."},
				{name: "headers", doc: "A dict, or a text name:value, name:value."},
				{name: "body", doc: "What is sent; else the input."},
				{name: "input", raw: true, doc: "Expression of what is sent; else the body is."},
				{name: "forceContentType", doc: "Content type that the answer is read as."},
				{name: "includeResponse", doc: "Whether the result has status and headers too."},
				{name: "includeRequest", doc: "Whether the result has the request too."},
				{name: "ignoreErrorStatus", doc: "Whether a status of 400 and above is no error."},
			}})
	}
	return all
}

// runAs lets what follows run as another user.
func runAs(_ context.Context, x *exec, a args) (entity.Value, error) {
	name := strings.TrimPrefix(a.text("username"), "username:")
	to := x.rt.hub.users[name]
	switch {
	case !x.user.may(mayRunAs):
		return entity.Value{}, problemf(403, "PermissionException", "the user %s has no permission %s", x.user.name, mayRunAs)
	case to == nil || !to.may(mayBeRunAs):
		return entity.Value{}, problemf(403, "PermissionException", "there is no user %.80q with the permission %s", name, mayBeRunAs)
	}
	x.user = to
	return entity.Value{}, nil
}

// sendMail hands a mail to the server of the system.
func sendMail(ctx context.Context, x *exec, a args) (entity.Value, error) {
	c := &x.rt.hub.cfg.SMTP
	if c.Host == "" {
		return entity.Value{}, errors.New("there is no mail server: give the system pipeforce the property smtp")
	}
	m, err := x.mail(c, a)
	if err != nil {
		return entity.Value{}, err
	}
	client, err := x.rt.hub.smtp(c)
	if err != nil {
		return entity.Value{}, err
	}
	if err := client.DialAndSendWithContext(ctx, m); err != nil {
		return entity.Value{}, fmt.Errorf("the mail was not sent: %w", err)
	}
	return entity.Value{}, nil
}

func (h *hub) smtp(c *smtpConfig) (*gomail.Client, error) {
	o := []gomail.Option{gomail.WithPort(c.Port), gomail.WithTimeout(time.Duration(c.TimeoutSeconds) * time.Second), gomail.WithHELO(c.Domain),
		gomail.WithTLSConfig(&tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12})}
	dial := h.dial
	switch c.Security {
	case "none":
		o = append(o, gomail.WithTLSPolicy(gomail.NoTLS))
	case "tls":
		// A dialer of one's own has to make the TLS connection, too.
		dial = tlsDialer(h.dial, c.Host)
		o = append(o, gomail.WithSSL())
	default:
		o = append(o, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	o = append(o, gomail.WithDialContextFunc(dial))
	if c.Username != "" {
		password, err := systems.NewSecrets(h.env.Secret).Expand(c.Password)
		if err != nil {
			return nil, err
		}
		auth := gomail.SMTPAuthPlain
		if c.Security == "none" {
			auth = gomail.SMTPAuthPlainNoEnc
		}
		o = append(o, gomail.WithSMTPAuth(auth), gomail.WithUsername(c.Username), gomail.WithPassword(password))
	}
	return gomail.NewClient(c.Host, o...)
}

// mail composes a mail.
func (x *exec) mail(c *smtpConfig, a args) (*gomail.Msg, error) {
	m := gomail.NewMsg()
	from, err := sender(cmp.Or(a.text("from"), c.From), cmp.Or(a.text("fromName"), c.FromName))
	if err != nil {
		return nil, err
	}
	m.FromMailAddress(from)
	to, err := recipients(a.values["to"])
	if err != nil {
		return nil, err
	}
	m.ToMailAddress(to...)
	if reply := a.text("replyTo"); reply != "" {
		if err := m.ReplyTo(reply); err != nil {
			return nil, badParam("replyTo", "is no address: %v", err)
		}
	}
	m.Subject(oneLine(cmp.Or(a.text("subject"), c.Subject)))
	m.SetDateWithValue(x.rt.now())
	if x.ids.message != "" {
		// The same mail, should it be sent again after a failure, is known again.
		m.SetMessageIDWithValue(fmt.Sprintf("%s.%d@sluice", digest(x.program.id + "\x00" + x.ids.message)[:32], x.step))
	} else {
		m.SetMessageIDWithValue(randomName(20) + "@sluice")
	}
	m.SetBodyString(gomail.TypeTextPlain, x.mailText(a))
	return m, attach(m, a.values["attachments"])
}

// oneLine is a text as a header can have it.
func oneLine(s string) string {
	return strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ").Replace(s)
}

// sender is who a mail comes from, by a name if one is given.
func sender(from, name string) (*mail.Address, error) {
	if from == "" {
		return nil, errors.New("the mail has no sender: give it from, or the system pipeforce smtp.from")
	}
	address, err := mail.ParseAddress(from)
	if err != nil {
		return nil, badParam("from", "is no address: %v", err)
	}
	address.Name = oneLine(cmp.Or(name, address.Name))
	return address, nil
}

// mailText is the mail's text: its parameter, even if that is empty, else the
// body.
func (x *exec) mailText(a args) string {
	if v, given := a.values["message"]; given {
		return mailBody(v)
	}
	return mailBody(x.body)
}

func mailBody(v entity.Value) string {
	switch v.Kind() {
	case entity.Null:
		return ""
	case entity.Bytes:
		return strings.ToValidUTF8(string(v.Octets()), "\uFFFD")
	}
	return string(entity.AppendBare(nil, v))
}

// mostRecipients bounds the addresses of a mail.
const mostRecipients = 1000

func recipients(v entity.Value) (all []*mail.Address, err error) {
	list := []entity.Value{v}
	if v.Kind() == entity.List {
		list = v.Elems()
	}
	for _, e := range list {
		found, err := mail.ParseAddressList(string(entity.AppendBare(nil, e)))
		if err != nil {
			return nil, badParam("to", "is no list of addresses: %v", err)
		}
		all = append(all, found...)
	}
	if len(all) == 0 || len(all) > mostRecipients {
		return nil, badParam("to", "must have 1 to %d addresses", mostRecipients)
	}
	return all, nil
}

// attach adds attachments: dicts with base64, or any other values as text.
func attach(m *gomail.Msg, v entity.Value) error {
	list := v.Elems()
	if v.Kind() != entity.List && !v.IsNull() {
		list = []entity.Value{v}
	}
	for i, e := range list {
		name, data := fmt.Sprintf("attachment-%d.txt", i+1), entity.AppendBare(nil, e)
		if e.Kind() == entity.Bytes {
			data = e.Octets()
		}
		if coded, ok := e.Get("base64"); ok {
			var err error
			if data, err = base64.StdEncoding.DecodeString(coded.Text()); err != nil {
				return badParam("attachments", "has one whose base64 cannot be read")
			}
		}
		if n := str(e, "name"); n != "" {
			name = n
		}
		if strings.HasPrefix(string(data), "uri:") {
			return badParam("attachments", "has %.60q: files of other services cannot be attached", data)
		}
		var options []gomail.FileOption
		if given := str(e, "contentType"); given != "" {
			kind, attrs, err := mime.ParseMediaType(given)
			if err != nil {
				return badParam("attachments", "has the contentType %.60q, which is none", given)
			}
			options = append(options, gomail.WithFileContentType(gomail.ContentType(mime.FormatMediaType(kind, attrs))))
		}
		if err := m.AttachReader(strings.NewReplacer("\r", "", "\n", "", "/", "-", "\\", "-", `"`, "").Replace(name), bytes.NewReader(data), options...); err != nil {
			return err
		}
	}
	return nil
}

const (
	callTimeout = 60 * time.Second
	mostAnswer  = 16 << 20
)

// httpCall makes a call; it follows no redirects, whose targets nobody chose.
func httpCall(method string) func(context.Context, *exec, args) (entity.Value, error) {
	return func(ctx context.Context, x *exec, a args) (entity.Value, error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		q, sent, err := x.newRequest(ctx, method, a)
		if err != nil {
			return entity.Value{}, err
		}
		client := &http.Client{Transport: x.rt.hub.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := client.Do(q)
		if err != nil {
			return entity.Value{}, fmt.Errorf("%s %s: %w", method, shownURL(q.URL), errors.Unwrap(err))
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer+1))
		if err != nil {
			return entity.Value{}, err
		}
		if len(data) > mostAnswer {
			return entity.Value{}, fmt.Errorf("the answer has more than %d bytes", mostAnswer)
		}
		ignore, err := a.yes("ignoreErrorStatus", false)
		if err == nil && resp.StatusCode >= 400 && !ignore {
			err = fmt.Errorf("%s %s answers %s", method, shownURL(q.URL), resp.Status)
		}
		if err != nil {
			return entity.Value{}, err
		}
		return answer(a, resp, data, sent)
	}
}

// shownURL is an address without what is secret in it.
func shownURL(u *url.URL) string { return systems.NewSecrets(nil).Address(u.String()) }

func (x *exec) newRequest(ctx context.Context, method string, a args) (*http.Request, entity.Value, error) {
	u, err := url.Parse(a.text("url"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, entity.Value{}, badParam("url", "is no address of http or https")
	}
	var sent entity.Value
	var body io.Reader
	if method != http.MethodGet {
		v, given := a.values["body"]
		if !given {
			if v, err = a.input(x); err != nil {
				return nil, v, err
			}
		}
		if sent = v; !v.IsNull() {
			body = bytes.NewReader(payloadBytes(v))
		}
	}
	u.RawQuery = urlquery.Escape(u.RawQuery)
	q, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, sent, err
	}
	if body != nil && sent.Kind() != entity.String && sent.Kind() != entity.Bytes {
		q.Header.Set("Content-Type", "application/json")
	}
	q.Header.Set("User-Agent", "Sluice")
	return q, sent, x.headersOf(q.Header, a)
}

func payloadBytes(v entity.Value) []byte {
	switch v.Kind() {
	case entity.Bytes:
		return v.Octets()
	case entity.String:
		return []byte(v.Text())
	}
	return entity.AppendPlain(nil, v)
}

// headersOf fills in the headers that a command gives, secrets included.
func (x *exec) headersOf(h http.Header, a args) error {
	if a.step != nil && hasSecrets(a.step.args["headers"]) {
		v := a.step.args["headers"]
		if v.kind != jsonpos.Object {
			return badParam("headers", "with secrets must be a dict")
		}
		secrets := systems.NewSecrets(x.rt.hub.env.Secret)
		for i, m := range v.members {
			var value string
			var err error
			if m.secret != "" {
				value, err = secrets.Expand(m.secret)
			} else {
				var e entity.Value
				e, err = m.eval(x)
				value = string(entity.AppendBare(nil, e))
			}
			if err != nil {
				return err
			}
			h.Set(v.keys[i], value)
		}
		return nil
	}
	v := a.values["headers"]
	if v.Kind() == entity.Dict {
		for _, m := range v.Object().Members() {
			h.Set(m.Key, string(entity.AppendBare(nil, m.Value)))
		}
		return nil
	}
	list := v.Elems()
	if v.Kind() == entity.String {
		for part := range strings.SplitSeq(v.Text(), ",") {
			list = append(list, entity.NewString(part))
		}
	}
	for _, e := range list {
		name, value, ok := strings.Cut(e.Text(), ":")
		if !ok {
			return badParam("headers", "has %.40q, which is not name:value", e.Text())
		}
		h.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return nil
}

// answer is the result of a call.
func answer(a args, resp *http.Response, data []byte, sent entity.Value) (entity.Value, error) {
	kind := resp.Header.Get("Content-Type")
	if a.has("forceContentType") {
		kind = a.text("forceContentType")
	}
	v, err := readBody(kind, data)
	if err != nil {
		return v, fmt.Errorf("the answer: %w", err)
	}
	response, err := a.yes("includeResponse", false)
	if err != nil || !response {
		return v, err
	}
	var headers []entity.Member
	for name := range resp.Header {
		headers = append(headers, text(strings.ToLower(name), resp.Header.Get(name)))
	}
	all := []entity.Member{member("statusCode", entity.NewInt(int64(resp.StatusCode))), member("headers", entity.NewDict(headers...)), member("body", v)}
	request, err := a.yes("includeRequest", false)
	if request {
		all = append(all, member("request", entity.NewDict(text("method", resp.Request.Method), text("url", shownURL(resp.Request.URL)), member("body", sent))))
	}
	return entity.NewDict(all...), err
}
