package sources

import (
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/ntriples"
)

const xsd = "http://www.w3.org/2001/XMLSchema#"

// mostDigits bounds how many characters a number has: beyond it would take long to
// work out what it is.
const mostDigits = 6144

// The forms that XML Schema gives to the data types that entities have as well.
var (
	integerForm  = regexp.MustCompile(`^[+-]?[0-9]+$`)
	decimalForm  = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$`)
	doubleForm   = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
	dateForm     = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	dateTimeForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?$`)
)

// literalValue is what a literal says, by its data type. What an entity has no type
// for, or what is not of the type that it claims, stays the text it is.
func literalValue(a *entity.Arena, t ntriples.Term) entity.Value {
	if name, ok := strings.CutPrefix(t.Datatype, xsd); ok {
		if v, ok := typed(a, name, strings.Trim(t.Text, " \t\r\n")); ok {
			return v
		}
	}
	return entity.NewString(t.Text)
}

func typed(a *entity.Arena, name, s string) (entity.Value, bool) {
	switch name {
	case "boolean":
		return entity.NewBool(s == "true" || s == "1"), s == "true" || s == "false" || s == "1" || s == "0"
	case "integer", "long", "int", "short", "byte", "nonNegativeInteger", "nonPositiveInteger", "positiveInteger", "negativeInteger",
		"unsignedLong", "unsignedInt", "unsignedShort", "unsignedByte":
		return integer(a, s)
	case "decimal":
		if len(s) > mostDigits || !decimalForm.MatchString(s) {
			return entity.Value{}, false
		}
		return entity.ParseDecimal(strings.TrimPrefix(s, "+"))
	case "double", "float":
		if len(s) > mostDigits || !doubleForm.MatchString(s) {
			return entity.Value{}, false
		}
		f, err := strconv.ParseFloat(s, 64)
		return entity.NewFloat(f), err == nil
	case "dateTime":
		return datetime(s)
	case "date":
		if !dateForm.MatchString(s) {
			return entity.Value{}, false
		}
		return entity.ParseDatetime(s)
	case "base64Binary":
		b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(s, " ", ""))
		return entity.NewBytes(b), err == nil
	}
	return entity.Value{}, false
}

func integer(a *entity.Arena, s string) (entity.Value, bool) {
	if len(s) > mostDigits || !integerForm.MatchString(s) {
		return entity.Value{}, false
	}
	digits := strings.TrimLeft(strings.TrimLeft(s, "+-"), "0")
	switch {
	case digits == "":
		digits = "0"
	case s[0] == '-':
		digits = "-" + digits
	}
	v, err := entity.DecodeText(a, digits, entity.DecodeOptions{})
	return v, err == nil
}

// datetime reads an instant; one without a zone is in UTC.
func datetime(s string) (entity.Value, bool) {
	if !dateTimeForm.MatchString(s) {
		return entity.Value{}, false
	}
	if i := strings.IndexByte(s, 'T'); !strings.ContainsAny(s[i:], "Z+-") {
		s += "Z"
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	t = t.UTC()
	return entity.NewDatetime(t), err == nil && t.Year() >= 1 && t.Year() <= 9999
}
