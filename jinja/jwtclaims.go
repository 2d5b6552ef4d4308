package jinja

import (
	"errors"
	"fmt"
	"slices"
)

// checkClaims applies PyJWT's rules for the registered claims.
func (c *Call) checkClaims(claims Value) error {
	get := func(name string) (Value, bool) { return c.st.lookup(claims, Str(name)) }
	if c.Has(jwtRequire) && !c.Arg(jwtRequire).IsNone() {
		for _, name := range c.texts(c.Arg(jwtRequire)) {
			if v, ok := get(name); !ok || v.IsNone() {
				return fmt.Errorf("the claim %q is missing", clip(name))
			}
		}
	}
	verify := c.BoolOr(jwtVerify, true)
	for _, check := range [...]struct {
		arg int
		do  func(get func(string) (Value, bool)) error
	}{
		{jwtVerifyIat, c.checkIat}, {jwtVerifyNbf, c.checkNbf}, {jwtVerifyExp, c.checkExp},
		{jwtVerifyIss, c.checkIss}, {jwtVerifyAud, c.checkAud},
	} {
		if !c.BoolOr(check.arg, verify) {
			continue
		}
		if err := check.do(get); err != nil {
			return err
		}
	}
	return nil
}

// seconds reads a time claim and how far it lies in the future; has is false
// if the claim is not there.
func (c *Call) seconds(get func(string) (Value, bool), name string) (ahead float64, has bool, err error) {
	v, has := get(name)
	if !has {
		return 0, false, nil
	}
	if v.isText() {
		if f, ok := parseFloat(v.s); ok {
			v = Float(f)
		}
	}
	if !v.isNum() || v.k == kBool {
		return 0, true, fmt.Errorf("the claim %q is no time", name)
	}
	return v.float() - float64(c.Host().now().UnixNano())/1e9, true, nil
}

func (c *Call) leeway() float64 {
	if v := c.Arg(jwtLeeway); v.isNum() {
		return v.float()
	} else if !v.IsNone() {
		c.badType("leeway", "a number of seconds", v)
	}
	return 0
}

func (c *Call) checkIat(get func(string) (Value, bool)) error {
	ahead, has, err := c.seconds(get, "iat")
	if err == nil && has && ahead > c.leeway() {
		return errors.New("it is issued in the future")
	}
	return err
}

func (c *Call) checkNbf(get func(string) (Value, bool)) error {
	ahead, has, err := c.seconds(get, "nbf")
	if err == nil && has && ahead > c.leeway() {
		return errors.New("it is not valid yet")
	}
	return err
}

func (c *Call) checkExp(get func(string) (Value, bool)) error {
	ahead, has, err := c.seconds(get, "exp")
	if err == nil && has && !(ahead > -c.leeway()) {
		return errors.New("it has expired")
	}
	return err
}

func (c *Call) checkIss(get func(string) (Value, bool)) error {
	want := c.Arg(jwtIssuer)
	if want.IsNone() {
		return nil
	}
	iss, ok := get("iss")
	if !ok || iss.k != kStr || !slices.Contains(c.texts(want), iss.s) {
		return errors.New("its issuer is not the expected one")
	}
	return nil
}

func (c *Call) checkAud(get func(string) (Value, bool)) error {
	want := c.Arg(jwtAudience)
	aud, has := get("aud")
	if want.IsNone() {
		if has && c.st.truth(aud) {
			return errors.New("it is for an audience, and none is expected")
		}
		return nil
	}
	wrong := errors.New("it is for another audience")
	if !has || aud.k != kStr && !aud.isSeq() {
		return wrong
	}
	if c.BoolOr(jwtStrictAud, false) {
		if aud.k != kStr || want.k != kStr || aud.s != want.s {
			return wrong
		}
		return nil
	}
	wanted := c.texts(want)
	for _, a := range c.texts(aud) {
		if slices.Contains(wanted, a) {
			return nil
		}
	}
	return wrong
}
