package pel

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/entity"
)

// utility is a function behind @.
type utility struct {
	least, most int
	call        func(r *run, n node, args []entity.Value) (entity.Value, error)
}

// utilities are all that expressions can call, by bean and function.
func utilities() map[string]utility {
	return map[string]utility{
		"convert.fromBase64":        {1, 1, fromBase64},
		"convert.fromBase64ToBytes": {1, 1, fromBase64ToBytes},
		"convert.toBase64":          {1, 1, toBase64},
		"convert.toJson":            {1, 1, toJSON},
		"convert.fromJson":          {1, 1, fromJSON},
		"convert.toString":          {1, 1, toString},
		"convert.toInt":             {1, 1, toInt},
		"user.username":             {0, 0, ofUser("username")},
		"user.email":                {0, 0, ofUser("email")},
		"user.isAnonymous":          {0, 0, isAnonymous},
		"date.now":                  {0, 1, dateNow},
		"date.timestamp":            {0, 0, timestamp},
	}
}

type utilityNode struct {
	place
	name string
	call func(r *run, n node, args []entity.Value) (entity.Value, error)
	args []node
}

func (n *utilityNode) parts() []node { return n.args }

func (n *utilityNode) eval(r *run) (entity.Value, error) {
	args, err := r.all(n.args)
	if err != nil {
		return entity.Value{}, err
	}
	return n.call(r, n, args)
}

func (r *run) all(nodes []node) ([]entity.Value, error) {
	values := make([]entity.Value, len(nodes))
	for i, a := range nodes {
		var err error
		if values[i], err = r.eval(a); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// decoded reads base64 of a text; null stays null.
func decoded(r *run, n node, v entity.Value) ([]byte, error) {
	if v.Kind() != entity.String {
		return nil, fault(n, "base64 is read of a text, found %s", told(v))
	}
	if err := r.grow(n, len(v.Text())); err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(v.Text())
	if err != nil {
		data, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(v.Text(), "="))
	}
	if err != nil {
		return nil, fault(n, "the text is no base64")
	}
	return data, nil
}

func fromBase64(r *run, n node, args []entity.Value) (entity.Value, error) {
	if args[0].IsNull() {
		return args[0], nil
	}
	data, err := decoded(r, n, args[0])
	if err == nil && !utf8.Valid(data) {
		err = &Error{Offset: n.at(), Msg: "what was in base64 is no text in UTF-8", Help: "read it with @convert.fromBase64ToBytes"}
	}
	if err != nil {
		return entity.Value{}, err
	}
	return entity.NewString(string(data)), nil
}

func fromBase64ToBytes(r *run, n node, args []entity.Value) (entity.Value, error) {
	if args[0].IsNull() {
		return args[0], nil
	}
	data, err := decoded(r, n, args[0])
	if err != nil {
		return entity.Value{}, err
	}
	return entity.NewBytes(data), nil
}

func toBase64(r *run, n node, args []entity.Value) (entity.Value, error) {
	data := args[0].Octets()
	if args[0].Kind() != entity.Bytes {
		data = appendText(nil, args[0])
	}
	if err := r.grow(n, 2*len(data)); err != nil {
		return entity.Value{}, err
	}
	return entity.NewString(base64.StdEncoding.EncodeToString(data)), nil
}

func toJSON(r *run, n node, args []entity.Value) (entity.Value, error) {
	data := entity.AppendPlain(nil, args[0])
	if err := r.grow(n, len(data)); err != nil {
		return entity.Value{}, err
	}
	return entity.NewString(string(data)), nil
}

func fromJSON(r *run, n node, args []entity.Value) (entity.Value, error) {
	data := args[0].Octets()
	if args[0].Kind() == entity.String {
		data = []byte(args[0].Text())
	}
	if err := r.grow(n, len(data)); err != nil {
		return entity.Value{}, err
	}
	v, err := entity.Decode(nil, data, entity.DecodeOptions{Plain: true})
	if err != nil {
		return v, fault(n, "the text is no JSON: %s", err)
	}
	return v, nil
}

func toString(r *run, n node, args []entity.Value) (entity.Value, error) {
	data := appendText(nil, args[0])
	return entity.NewString(string(data)), r.grow(n, len(data))
}

func toInt(_ *run, n node, args []entity.Value) (entity.Value, error) {
	if args[0].Kind() == entity.Int {
		return args[0], nil
	}
	i, err := strconv.ParseInt(strings.TrimSpace(string(appendText(nil, args[0]))), 10, 64)
	if err != nil {
		return entity.Value{}, fault(n, "%s is no whole number", told(args[0]))
	}
	return entity.NewInt(i), nil
}

func ofUser(member string) func(*run, node, []entity.Value) (entity.Value, error) {
	return func(r *run, _ node, _ []entity.Value) (entity.Value, error) {
		v, _ := r.scope.User.Get(member)
		return v, nil
	}
}

func isAnonymous(r *run, _ node, _ []entity.Value) (entity.Value, error) {
	v, _ := r.scope.User.Get("anonymous")
	return entity.NewBool(v.Bool()), nil
}

// dateNow is the time in ISO form, or in a form of Java such as dd.MM.yyyy.
func dateNow(r *run, n node, args []entity.Value) (entity.Value, error) {
	now := r.scope.Now.UTC()
	if len(args) == 0 || args[0].IsNull() {
		return entity.NewString(now.Format("2006-01-02T15:04:05.000Z")), nil
	}
	if args[0].Kind() != entity.String || len(args[0].Text()) > 100 {
		return entity.Value{}, fault(n, "the form of a date is a text, found %s", told(args[0]))
	}
	return entity.NewString(formatDate(now, args[0].Text())), nil
}

// formatDate writes letters of Java's forms, and leaves all else as it is.
func formatDate(t time.Time, form string) string {
	r := strings.NewReplacer("yyyy", "2006", "MM", "01", "dd", "02", "HH", "15", "mm", "04", "ss", "05", "SSS", "000", "yy", "06")
	return t.Format(r.Replace(form))
}

func timestamp(r *run, _ node, _ []entity.Value) (entity.Value, error) {
	return entity.NewInt(r.scope.Now.UnixMilli()), nil
}

// method is a function of a value, as in body.size().
type method struct {
	args int
	call func(n node, of entity.Value, args []entity.Value) (entity.Value, error)
}

func methods() map[string]method {
	text := func(do func(s, arg string) entity.Value, args int) method {
		return method{args, func(n node, of entity.Value, given []entity.Value) (entity.Value, error) {
			arg := ""
			if of.Kind() != entity.String || args == 1 && given[0].Kind() != entity.String {
				return entity.Value{}, fault(n, "a text is expected here, found %s", told(of))
			}
			if args == 1 {
				arg = given[0].Text()
			}
			return do(of.Text(), arg), nil
		}}
	}
	return map[string]method{
		"size": {0, size}, "length": {0, size}, "isEmpty": {0, isEmpty}, "contains": {1, contains},
		"startsWith":  text(func(s, arg string) entity.Value { return entity.NewBool(strings.HasPrefix(s, arg)) }, 1),
		"endsWith":    text(func(s, arg string) entity.Value { return entity.NewBool(strings.HasSuffix(s, arg)) }, 1),
		"toLowerCase": text(func(s, _ string) entity.Value { return entity.NewString(strings.ToLower(s)) }, 0),
		"toUpperCase": text(func(s, _ string) entity.Value { return entity.NewString(strings.ToUpper(s)) }, 0),
		"trim":        text(func(s, _ string) entity.Value { return entity.NewString(strings.TrimSpace(s)) }, 0),
	}
}

type methodNode struct {
	place
	of   node
	call func(n node, of entity.Value, args []entity.Value) (entity.Value, error)
	args []node
	safe bool
}

func (n *methodNode) parts() []node { return append([]node{n.of}, n.args...) }

func (n *methodNode) eval(r *run) (entity.Value, error) {
	of, err := r.eval(n.of)
	if err != nil || of.IsNull() && n.safe {
		return of, err
	}
	args, err := r.all(n.args)
	if err != nil {
		return entity.Value{}, err
	}
	if of.Kind() == entity.String {
		if err := r.grow(n, len(of.Text())); err != nil {
			return entity.Value{}, err
		}
	}
	return n.call(n, of, args)
}

func count(n node, of entity.Value) (int, error) {
	switch of.Kind() {
	case entity.String:
		return utf8.RuneCountInString(of.Text()), nil
	case entity.List, entity.Dict:
		return of.Len(), nil
	case entity.Bytes:
		return len(of.Octets()), nil
	}
	return 0, fault(n, "%s has no size", told(of))
}

func size(n node, of entity.Value, _ []entity.Value) (entity.Value, error) {
	c, err := count(n, of)
	return entity.NewInt(int64(c)), err
}

func isEmpty(n node, of entity.Value, _ []entity.Value) (entity.Value, error) {
	c, err := count(n, of)
	return entity.NewBool(c == 0), err
}

func contains(n node, of entity.Value, args []entity.Value) (entity.Value, error) {
	switch {
	case of.Kind() == entity.List:
		for _, e := range of.Elems() {
			if entity.Equal(e, args[0]) {
				return entity.NewBool(true), nil
			}
		}
		return entity.NewBool(false), nil
	case of.Kind() == entity.String && args[0].Kind() == entity.String:
		return entity.NewBool(strings.Contains(of.Text(), args[0].Text())), nil
	}
	return entity.Value{}, fault(n, "%s cannot contain %s", told(of), told(args[0]))
}
