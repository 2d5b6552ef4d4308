package pipeforce

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
)

// args are the parameters of a command, evaluated.
type args struct {
	values map[string]entity.Value
	step   *step // nil for a command that was called over HTTP
}

func (a args) has(name string) bool {
	v, ok := a.values[name]
	return ok && !v.IsNull()
}

// text is a parameter as a text; numbers and the like are written out.
func (a args) text(name string) string {
	v := a.values[name]
	if v.IsNull() {
		return ""
	}
	return string(entity.AppendBare(nil, v))
}

// yes is a parameter that is true or false.
func (a args) yes(name string, unless bool) (bool, error) {
	if !a.has(name) || a.text(name) == "" {
		return unless, nil
	}
	ok, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(a.text(name))))
	if err != nil {
		return false, badParam(name, "must be true or false, not %.40q", a.text(name))
	}
	return ok, nil
}

// number is a parameter that is a whole number.
func (a args) number(name string, unless int64) (int64, error) {
	if !a.has(name) || a.text(name) == "" {
		return unless, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(a.text(name)), 10, 64)
	if err != nil {
		return 0, badParam(name, "must be a whole number, not %.40q", a.text(name))
	}
	return n, nil
}

// problem is the failure of a command, with the status that it has over HTTP.
type problem struct {
	status int
	kind   string
	cause  error
}

func (p *problem) Error() string { return p.cause.Error() }
func (p *problem) Unwrap() error { return p.cause }

func badParam(name, format string, args ...any) error {
	return &problem{400, "ParameterException", fmt.Errorf("the parameter %s %s", name, fmt.Sprintf(format, args...))}
}

func problemf(status int, kind, format string, args ...any) error {
	return &problem{status, kind, fmt.Errorf(format, args...)}
}
