package stdlib

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// maxPhone bounds the text read as a phone number: the longest has 15 digits.
const maxPhone = 250

func phones() []dtl.Func {
	return []dtl.Func{
		{Name: "phonenumber-parse", Args: "DEFAULT_REGION(string{0|1}) VALUES(value-expression{1})",
			Doc:      "Reads strings and integers as phone numbers, which are tel: URIs; what is none is dropped.",
			Examples: []dtl.Example{{`["phonenumber-parse", "+4722222222"]`, `"~rtel:+47-22-22-22-22"`}, {`["phonenumber-parse", "NO", ["list", 22225555, "x"]]`, `["~rtel:+47-22-22-55-55"]`}, {`["phonenumber-parse", null]`, `null`}},
			Call: func(c *dtl.Ctx, a []value) value {
				region, _ := text(dtl.First(a[0]))
				return c.Map(a[1], func(v value) (value, bool) { return parsePhone(v, strings.ToUpper(region)) })
			}},
		{Name: "phonenumber-format", Args: "FORMAT(string{1}) VALUES(value-expression{1})",
			Doc:      "Writes phone numbers as texts: e164, rfc3966, national, international, national-e164, isocode or country-code.",
			Examples: []dtl.Example{{`["phonenumber-format", "national", "~rtel:+47-22-22-22-22"]`, `"22 22 22 22"`}, {`["phonenumber-format", "e164", ["list", "~rtel:+47-22-22-22-22", "x"]]`, `["4722222222"]`}, {`["phonenumber-format", "e164", null]`, `null`}, {`["phonenumber-format", "natonal", null]`, `error: did you mean "national"`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				format, vals := fixed(b, a, 0, "dtl/phone-format", phoneFormat), b.Expr(a.One(1)).Eval
				return func(c *dtl.Ctx) value {
					f, ok := format(c)
					if !ok {
						return null
					}
					return c.Map(vals(c), func(v value) (value, bool) { return formatPhone(v, f) })
				}
			}},
	}
}

func parsePhone(v value, region string) (value, bool) {
	s, ok := text(v)
	if v.Kind() == entity.Int {
		s, ok = v.String(), true
	}
	if !ok || len(s) > maxPhone {
		return null, false
	}
	n, err := phonenumbers.Parse(s, region)
	if err != nil {
		return null, false
	}
	return entity.NewURI(phonenumbers.Format(n, phonenumbers.RFC3966)), true
}

type phoneWriter func(*phonenumbers.PhoneNumber) string

func phoneFormat(name string) (phoneWriter, error) {
	plain := func(f phonenumbers.PhoneNumberFormat) phoneWriter {
		return func(n *phonenumbers.PhoneNumber) string { return phonenumbers.Format(n, f) }
	}
	switch name {
	case "e164":
		return func(n *phonenumbers.PhoneNumber) string {
			return strings.TrimPrefix(phonenumbers.Format(n, phonenumbers.E164), "+")
		}, nil
	case "rfc3966":
		return plain(phonenumbers.RFC3966), nil
	case "national":
		return plain(phonenumbers.NATIONAL), nil
	case "international":
		return plain(phonenumbers.INTERNATIONAL), nil
	case "national-e164":
		return phonenumbers.GetNationalSignificantNumber, nil
	case "isocode":
		return phonenumbers.GetRegionCodeForNumber, nil
	case "country-code":
		return func(n *phonenumbers.PhoneNumber) string { return strconv.Itoa(int(n.GetCountryCode())) }, nil
	default:
		known := []string{"e164", "rfc3966", "national", "international", "national-e164", "isocode", "country-code"}
		return nil, unknownWord("format", name, known)
	}
}

func formatPhone(v value, f phoneWriter) (value, bool) {
	if v.Kind() != entity.URI || len(v.Text()) > maxPhone {
		return null, false
	}
	n, err := phonenumbers.Parse(v.Text(), "")
	if err != nil {
		return null, false
	}
	return entity.NewString(f(n)), true
}
