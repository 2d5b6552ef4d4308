package pipeforce

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

// systemID is the id of the system that pipelines are run with.
const systemID = "pipeforce"

// Users that there are without being named in the configuration.
const (
	anonymousUser = "anonymousUser"
	systemUser    = "systemuser"
)

// Permissions that are asked for besides those of commands.
const (
	mayRunAs      = "CAN_RUN_AS_SOURCE"
	mayBeRunAs    = "CAN_RUN_AS_TARGET"
	commandPrefix = "CAN_PIPE_"
)

type systemConfig struct {
	spec.Base
	ID            string        `spec:"_id,required" doc:"pipeforce"`
	Type          string        `spec:"type,required" doc:"system:pipeforce"`
	Name          string        `spec:"name" doc:"Name shown to people."`
	Description   *jsonpos.Node `spec:"description" kind:"string|array" doc:"What the system is for: a text, or a list of lines."`
	Comment       *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Metadata      *jsonpos.Node `spec:"metadata" kind:"object" doc:"Free properties for tools, $config-group among them."`
	WorkerThreads int           `spec:"worker_threads" default:"50" min:"1" doc:"How many pipelines may run at once; each runs once at a time."`
	Namespace     string        `spec:"namespace" default:"default" doc:"Name of the tenant, which events and messages carry."`
	URL           string        `spec:"url" doc:"Address under which callers reach the node, for the addresses of webhooks; unless given that of the node itself."`
	SMTP          smtpConfig    `spec:"smtp" doc:"The server that mail.send hands mails to."`
	Users         *jsonpos.Node `spec:"users" kind:"array" doc:"Users that pipelines run as: name, email, permissions such as CAN_PIPE_mail_send or CAN_PIPE_webhook_*, and token, a $SECRET(name) by which callers of the commands are known. As soon as a user has a token, commands can be called with a token only. There are always anonymousUser, who may run others' pipelines as soon as iam.run.as says so, and systemuser, who may do everything; give them here other permissions."`
	KeepSeconds   float64       `spec:"keep_results_seconds" default:"1800" min:"1" doc:"How long the result of a webhook is kept, and how long a pipeline may take to have one."`
	FetchedFor    float64       `spec:"keep_fetched_results_seconds" default:"300" min:"0" doc:"How long a result is kept that was fetched."`
	RequestLimit  int           `spec:"request_limit" default:"1000" min:"0" doc:"How many requests to webhooks are kept to be looked at."`
	LogLimit      int           `spec:"log_limit" default:"10000" min:"0" doc:"How many runs of pipelines are kept to be looked at."`
	BareKeys      bool          `spec:"publish_bare_keys" doc:"Whether events are published under their bare keys too, as before version 10."`
}

type smtpConfig struct {
	spec.Base
	Host           string `spec:"host" doc:"Name or address of the server."`
	Port           int    `spec:"port" default:"587" min:"1" max:"65535" doc:"Port of the server."`
	Security       string `spec:"security" enum:"starttls,tls,none" default:"starttls" doc:"starttls demands it, tls begins with it, none sends mails and passwords in clear."`
	Username       string `spec:"username" doc:"User that the node is to the server."`
	Password       string `spec:"password" doc:"Its password: $SECRET(name)."`
	From           string `spec:"from" doc:"Address that mails come from unless a pipeline says otherwise."`
	FromName       string `spec:"from_name" doc:"Name that goes with it."`
	Subject        string `spec:"subject" default:"(no subject)" doc:"Subject of mails without one."`
	TimeoutSeconds int    `spec:"timeout" default:"30" min:"1" max:"600" doc:"Seconds that the server may take."`
	Domain         string `spec:"helo" default:"localhost" doc:"Name under which the node greets the server."`
}

// SystemType is the system type of the dialect.
func systemType() systems.Type {
	return systems.Type{
		Name:   "system:pipeforce",
		Doc:    "What the pipelines of PIPEFORCE need besides their files: the mail server, the users they run as, how long results are kept. Its id is pipeforce.",
		Config: func() any { return new(systemConfig) },
		Build:  buildSystem,
	}
}

// user is who runs commands.
type user struct {
	name, email string
	permissions []string
	token       string // reference to a secret, "" if there is none
}

// may tells whether the user has a permission.
func (u *user) may(permission string) bool {
	for _, p := range u.permissions {
		if ok, _ := path.Match(p, permission); ok {
			return true
		}
	}
	return false
}

// value is the user as expressions see it.
func (u *user) value() entity.Value {
	return entity.NewDict(text("username", u.name), text("email", u.email),
		entity.Member{Key: "anonymous", Value: entity.NewBool(u.name == anonymousUser)})
}

func text(key, v string) entity.Member {
	return entity.Member{Key: key, Value: entity.NewString(v)}
}

// hub is the system: settings and ways out. Without one in the configuration
// there is a hub with the defaults.
type hub struct {
	cfg       *systemConfig
	env       systems.Env
	users     map[string]*user
	guarded   bool // some user has a token
	transport http.RoundTripper
}

// ID implements systems.System.
func (h *hub) ID() string { return h.cfg.ID }

// Workers implements systems.Workers.
func (h *hub) Workers() int { return h.cfg.WorkerThreads }

func buildSystem(c any, env systems.Env) (systems.System, diag.List) {
	cfg := c.(*systemConfig)
	h := newHub(cfg, env)
	var finds diag.List
	if cfg.ID != systemID {
		finds.Add(fault(cfg.At("_id"), "system", `call it "pipeforce"`, "the id of a system of the type system:pipeforce is pipeforce"))
	}
	for key, v := range map[string]*jsonpos.Node{"password": cfg.SMTP.Node.Get("password")} {
		if s, ok := v.Str(); ok && !systems.OnlySecret(s) {
			finds.Add(fault(v.Span, "secret", "store it among the node's secrets and write $SECRET(name)", "%s stands in the configuration, where anybody can read it", key))
		}
	}
	if cfg.SMTP.Node != nil && cfg.SMTP.Host == "" {
		finds.Add(fault(cfg.SMTP.Node.Span, "smtp", "", `"smtp" needs "host"`))
	}
	finds.Add(h.readUsers()...)
	return h, finds
}

func newHub(cfg *systemConfig, env systems.Env) *hub {
	h := &hub{cfg: cfg, env: env, users: map[string]*user{}, transport: env.Transport}
	h.users[anonymousUser] = &user{name: anonymousUser, permissions: []string{mayRunAs}}
	h.users[systemUser] = &user{name: systemUser, permissions: []string{"*"}}
	return h
}

// userKeys are what is said of a user.
func userKeys() []string { return []string{"name", "email", "permissions", "token"} }

func (h *hub) readUsers() (finds diag.List) {
	if h.cfg.Users == nil {
		return nil
	}
	for _, n := range h.cfg.Users.Elems {
		u := &user{}
		for _, m := range n.Members {
			var ok bool
			switch m.Key {
			case "name":
				u.name, ok = m.Value.Str()
			case "email":
				u.email, ok = m.Value.Str()
			case "token":
				u.token, ok = m.Value.Str()
				ok = ok && systems.OnlySecret(u.token)
				h.guarded = true
			case "permissions":
				ok = m.Value.Kind == jsonpos.Array
				for _, p := range m.Value.Elems {
					s, isText := p.Str()
					_, err := path.Match(s, "")
					ok = ok && isText && err == nil
					u.permissions = append(u.permissions, s)
				}
			}
			if !ok {
				finds.Add(fault(m.Value.Span, "user", "a user has "+strings.Join(userKeys(), ", ")+"; the token is $SECRET(name), permissions are a list of texts", "%q is no such property of a user, or has another type", m.Key))
			}
		}
		if u.name == "" {
			finds.Add(fault(n.Span, "user", "", `a user needs "name"`))
		}
		h.users[u.name] = u
	}
	return finds
}

func fault(at jsonpos.Span, rule, help, format string, args ...any) diag.Finding {
	return diag.Finding{Rule: "pipeforce/" + rule, Severity: diag.Error, Span: at, Help: help, Message: fmt.Sprintf(format, args...)}
}

func caution(at jsonpos.Span, rule, help, format string, args ...any) diag.Finding {
	f := fault(at, rule, help, format, args...)
	f.Severity = diag.Warning
	return f
}

// caller finds the user a token belongs to; all tokens are compared, each in the
// same time. Without tokens in the configuration everybody who reaches the node
// is systemuser.
func (h *hub) caller(token string) (*user, bool) {
	if !h.guarded {
		return h.users[systemUser], true
	}
	var found *user
	for _, u := range h.users {
		if u.token == "" {
			continue
		}
		want, err := systems.NewSecrets(h.env.Secret).Expand(u.token)
		if err == nil && want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(token)) == 1 {
			found = u
		}
	}
	return found, found != nil
}

// keeps are how long results are kept, and those that were fetched.
func (h *hub) keeps() (result, fetched time.Duration) {
	return time.Duration(h.cfg.KeepSeconds * float64(time.Second)), time.Duration(h.cfg.FetchedFor * float64(time.Second))
}

// dial connects under the node's guard.
func (h *hub) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d, ok := h.transport.(systems.Dialer)
	if !ok {
		return nil, errors.New("the node opens no connections but those of HTTP")
	}
	return d.DialContext(ctx, network, address)
}

// tlsDialer makes a connection that begins with TLS.
func tlsDialer(dial func(ctx context.Context, network, address string) (net.Conn, error), host string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		plain, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(plain, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
		if err := conn.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, plain.Close())
		}
		return conn, nil
	}
}
