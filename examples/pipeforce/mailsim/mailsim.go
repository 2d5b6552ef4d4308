// Package mailsim is a mail server for the example: it takes every mail, and
// keeps none but in the hands of whoever asked for them.
package mailsim

import (
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"

	"github.com/emersion/go-smtp"
)

// Mail is what arrived.
type Mail struct {
	From, Subject, Text, ID string
	To                      []string
}

// Serve takes mails on a listener until it is closed, and hands each on.
func Serve(ln net.Listener, got func(Mail)) error {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{got: got}, nil }))
	s.Domain = "mail.company.tld"
	s.MaxMessageBytes = 16 << 20
	if err := s.Serve(ln); err != nil {
		return fmt.Errorf("the mail server: %w", err)
	}
	return nil
}

type session struct {
	got  func(Mail)
	mail Mail
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.mail = Mail{} }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mail.From = from
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = append(s.mail.To, to)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body := m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(m.Body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if s.mail.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return err
	}
	s.mail.Text, s.mail.ID = strings.TrimSpace(string(text)), m.Header.Get("Message-ID")
	s.got(s.mail)
	return nil
}
