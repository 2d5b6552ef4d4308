package jinja

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ParseJSON reads JSON as a value: keys keep their order, integers their
// size. {"$bytes": base64} is bytes and {"$datetime": RFC 3339} a datetime.
func ParseJSON(data []byte) (Value, error) {
	return parseJSON(data, true)
}

// jsonReader reads values; marked tells whether $bytes and $datetime mean
// more than themselves.
type jsonReader struct {
	*json.Decoder
	marked bool
}

func parseJSON(data []byte, marked bool) (Value, error) {
	d := jsonReader{json.NewDecoder(bytes.NewReader(data)), marked}
	d.UseNumber()
	v, err := d.value(0)
	if err != nil {
		return Value{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return Value{}, errors.New("there is more after the JSON value")
	}
	return v, nil
}

func (d jsonReader) value(depth int) (Value, error) {
	t, err := d.Token()
	if err != nil {
		return Value{}, fmt.Errorf("no JSON: %w", err)
	}
	if depth > 90 {
		return Value{}, errors.New("the JSON is nested too deeply")
	}
	switch x := t.(type) {
	case bool:
		return Bool(x), nil
	case string:
		return Str(x), nil
	case json.Number:
		return parseNumber(string(x))
	case json.Delim:
		if x == '[' {
			return d.array(depth)
		}
		return d.object(depth)
	}
	return None(), nil
}

func parseNumber(s string) (Value, error) {
	if strings.ContainsAny(s, ".eE") {
		f, ok := parseFloat(s)
		if !ok {
			return Value{}, fmt.Errorf("%s is no number", clip(s))
		}
		return Float(f), nil
	}
	if i, ok := parseInt(s, 10); ok && len(s) < 4300 {
		return Big(i), nil
	}
	return Value{}, fmt.Errorf("%s is no integer", clip(s))
}

func (d jsonReader) array(depth int) (Value, error) {
	var items []Value
	for d.More() {
		v, err := d.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		items = append(items, v)
	}
	_, err := d.Token()
	return List(items...), err
}

func (d jsonReader) object(depth int) (Value, error) {
	var members []Member
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return Value{}, fmt.Errorf("no JSON: %w", err)
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		key, _ := k.(string)
		members = append(members, Member{key, v})
	}
	if _, err := d.Token(); err != nil {
		return Value{}, err
	}
	if d.marked && len(members) == 1 && members[0].Value.k == kStr {
		return special(members[0])
	}
	return Dict(members...), nil
}

func special(m Member) (Value, error) {
	switch m.Key {
	case "$bytes":
		b, err := base64.StdEncoding.DecodeString(m.Value.s)
		if err != nil {
			return Value{}, fmt.Errorf("$bytes is no base64: %w", err)
		}
		return Bytes(b), nil
	case "$datetime":
		t, err := time.Parse(time.RFC3339Nano, m.Value.s)
		if err != nil {
			return Value{}, fmt.Errorf("$datetime is no time: %w", err)
		}
		return Time(t.UTC()), nil
	}
	return Dict(m), nil
}

// ParseVars reads a JSON object as variables.
func ParseVars(data []byte) (VarMap, error) {
	v, err := ParseJSON(data)
	if err != nil {
		return nil, err
	}
	d, ok := v.o.(*dict)
	if !ok {
		return nil, errors.New("variables are given as a JSON object")
	}
	vars := make(VarMap, len(d.keys))
	for i, k := range d.keys {
		vars[k.s] = d.vals[i]
	}
	return vars, nil
}
