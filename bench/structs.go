package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bytedance/sonic"
)

// order is what a programmer writes who knows every field beforehand.
type order struct {
	ID      string `json:"_id"`
	Updated int64  `json:"_updated"`
	body
}

type body struct {
	Number       string   `json:"orderNumber,omitempty"`
	Status       string   `json:"status"`
	Created      string   `json:"created"`
	Modified     string   `json:"modified"`
	Currency     string   `json:"currency,omitempty"`
	Total        float64  `json:"total"`
	Priority     int64    `json:"priority"`
	IsTest       bool     `json:"isTest"`
	EventType    string   `json:"eventType"`
	Customer     customer `json:"customer"`
	Lines        []line   `json:"lines"`
	Tags         []string `json:"tags"`
	Email        *string  `json:"hs_email"`
	WorkEmail    *string  `json:"hs_work_email,omitempty"`
	ObjectID     string   `json:"hs_object_id"`
	Note         string   `json:"internal_note"`
	Score        float64  `json:"internal_score"`
	Comment      string   `json:"comment"`
	OrderNo      string   `json:"order_no,omitempty"`
	CurrencyCode string   `json:"currency_code,omitempty"`
	FullName     string   `json:"full_name,omitempty"`
	StatusUpper  string   `json:"status_upper,omitempty"`
	TotalVAT     float64  `json:"total_vat,omitempty"`
}

type customer struct {
	ID        int64   `json:"id"`
	FirstName string  `json:"firstName"`
	LastName  string  `json:"lastName"`
	Email     string  `json:"email"`
	Phone     string  `json:"phone"`
	Segment   string  `json:"segment"`
	Address   address `json:"address"`
}

type address struct {
	Street  string  `json:"street"`
	Zip     string  `json:"zip"`
	City    string  `json:"city"`
	Country string  `json:"country"`
	Lat     float64 `json:"lat"`
	Lon     float64 `json:"lon"`
}

type line struct {
	SKU      string  `json:"sku"`
	Name     string  `json:"name"`
	Qty      float64 `json:"qty"`
	Price    float64 `json:"price"`
	Discount float64 `json:"discount"`
	Category string  `json:"category"`
}

type shortLine struct {
	SKU    string  `json:"sku"`
	Amount float64 `json:"amount"`
}

type summary struct {
	ID    string      `json:"id"`
	Net   float64     `json:"net"`
	Lines []shortLine `json:"lines"`
	Size  string      `json:"size"`
}

type shipped struct {
	ID        string   `json:"_id"`
	Updated   int64    `json:"_updated"`
	Number    string   `json:"orderNumber"`
	Status    string   `json:"status"`
	Created   string   `json:"created"`
	Modified  string   `json:"modified"`
	Currency  string   `json:"currency"`
	Total     float64  `json:"total"`
	Priority  int64    `json:"priority"`
	IsTest    bool     `json:"isTest"`
	EventType string   `json:"eventType"`
	Lines     []line   `json:"lines"`
	Tags      []string `json:"tags"`
	Shipping  shipping `json:"shipping"`
}

type shipping struct {
	Name    string `json:"name"`
	Address struct {
		Line1   string `json:"line1"`
		Postal  string `json:"postal"`
		Country string `json:"country"`
	} `json:"address"`
	Contact struct {
		Email string `json:"email"`
		Phone string `json:"phone"`
	} `json:"contact"`
}

type contact struct {
	ID     string `json:"_id"`
	Email  string `json:"email"`
	Phone  string `json:"phone_norm"`
	Mobile bool   `json:"is_mobile"`
	Object string `json:"object"`
	Score  string `json:"score"`
}

// handStructs is the hand-written form of each task on structs.
var handStructs = map[string]func(text []byte) (any, error){
	"T1": on(func(o *order) any {
		o.OrderNo, o.Number, o.CurrencyCode, o.Currency = o.Number, "", o.Currency, ""
		o.FullName = o.Customer.FirstName + " " + o.Customer.LastName
		o.StatusUpper, o.TotalVAT = strings.ToUpper(o.Status), o.Total*1.25
		return o
	}),
	"T2": on(func(o *order) any {
		s := summary{ID: o.ID, Size: size(o.Total), Lines: make([]shortLine, 0, len(o.Lines))}
		for _, l := range o.Lines {
			if l.Qty >= 2 {
				s.Net += l.Qty * l.Price * (1 - l.Discount)
			}
		}
		slices.SortStableFunc(o.Lines, func(a, b line) int { return int(max(-1, min(1, (a.Price-b.Price)*1e9))) })
		for _, l := range o.Lines {
			s.Lines = append(s.Lines, shortLine{l.SKU, l.Qty * l.Price})
		}
		return s
	}),
	"T3": on(func(o *order) any {
		s := shipped{o.ID, o.Updated, o.Number, o.Status, o.Created, o.Modified, o.Currency, o.Total, o.Priority, o.IsTest, o.EventType, o.Lines, o.Tags, shipping{}}
		c := &o.Customer
		s.Shipping.Name = c.FirstName + " " + c.LastName
		s.Shipping.Address.Line1, s.Shipping.Address.Country = c.Address.Street, c.Address.Country
		s.Shipping.Address.Postal = c.Address.Zip + " " + c.Address.City
		s.Shipping.Contact.Email, s.Shipping.Contact.Phone = c.Email, c.Phone
		return s
	}),
	"T4": on(func(o *order) any {
		phone := strings.ReplaceAll(o.Customer.Phone, " ", "")
		email := o.Customer.Email
		if o.WorkEmail != nil {
			email = *o.WorkEmail
		}
		if o.Email != nil {
			email = *o.Email
		}
		return contact{"contact:" + strconv.FormatInt(o.Customer.ID, 10), strings.ToLower(email), phone, isMobile(phone),
			eventObject(o.EventType), strconv.FormatFloat(o.Score, 'g', -1, 64)}
	}),
	eventTask: on(structEvent),
}

// on reads a text before f maps it; nil is nothing to write.
func on[T any](f func(*T) any) func(text []byte) (any, error) {
	return func(text []byte) (any, error) {
		var in T
		if err := sonic.Unmarshal(text, &in); err != nil {
			return nil, err
		}
		return f(&in), nil
	}
}

func structEngine(task string) (engine, error) {
	f := handStructs[task]
	return func(dst, text []byte) ([]byte, error) {
		v, err := f(text)
		if v == nil || err != nil {
			return dst, err
		}
		out, err := sonic.Marshal(v)
		return append(dst, out...), err
	}, nil
}
