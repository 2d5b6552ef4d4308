package jsrun

import (
	"github.com/dop251/goja"
	"github.com/nlnwa/whatwg-url/url"
)

// parseURL returns the parts of an address, null if it is none.
func parseURL(js *goja.Runtime, c goja.FunctionCall) goja.Value {
	var u *url.Url
	var err error
	if base := c.Argument(1); goja.IsNull(base) || goja.IsUndefined(base) {
		u, err = url.Parse(c.Argument(0).String())
	} else {
		u, err = url.ParseRef(base.String(), c.Argument(0).String())
	}
	if err != nil {
		return goja.Null()
	}
	return parts(js, u)
}

// changeURL returns the parts of an address of which one was set anew, null if
// that cannot be.
func changeURL(js *goja.Runtime, c goja.FunctionCall) goja.Value {
	u, err := url.Parse(c.Argument(0).String())
	value := c.Argument(2).String()
	if err != nil {
		return goja.Null()
	}
	switch c.Argument(1).String() {
	case "href":
		if u, err = url.Parse(value); err != nil {
			return goja.Null()
		}
	case "protocol":
		u.SetProtocol(value)
	case "username":
		u.SetUsername(value)
	case "password":
		u.SetPassword(value)
	case "host":
		u.SetHost(value)
	case "hostname":
		u.SetHostname(value)
	case "port":
		u.SetPort(value)
	case "pathname":
		u.SetPathname(value)
	case "search":
		u.SetSearch(value)
	case "hash":
		u.SetHash(value)
	}
	return parts(js, u)
}

func parts(js *goja.Runtime, u *url.Url) goja.Value {
	o := js.NewObject()
	origin := "null"
	if u.IsSpecialScheme() && u.Scheme() != "file" {
		origin = u.Protocol() + "//" + u.Host()
	}
	for name, value := range map[string]string{
		"href": u.Href(false), "protocol": u.Protocol(), "username": u.Username(), "password": u.Password(), "host": u.Host(),
		"hostname": u.Hostname(), "port": u.Port(), "pathname": u.Pathname(), "search": u.Search(), "hash": u.Hash(), "origin": origin,
	} {
		// Setting a text in a plain object cannot fail.
		_ = o.Set(name, value)
	}
	return o
}
