package pel

import (
	"math"
	"math/big"

	"github.com/sluiceio/sluice/entity"
)

// mostBits bounds whole numbers.
const mostBits = 4096

type binaryNode struct {
	place
	op          string
	left, right node
}

func (n *binaryNode) parts() []node { return []node{n.left, n.right} }

func (n *binaryNode) eval(r *run) (entity.Value, error) {
	if n.op == "||" || n.op == "&&" {
		ok, err := r.truth(n.left)
		if err == nil && ok == (n.op == "&&") {
			ok, err = r.truth(n.right)
		}
		return entity.NewBool(ok), err
	}
	a, err := r.eval(n.left)
	if err != nil {
		return a, err
	}
	b, err := r.eval(n.right)
	if err != nil {
		return b, err
	}
	switch n.op {
	case "==":
		return entity.NewBool(entity.Equal(a, b)), nil
	case "!=":
		return entity.NewBool(!entity.Equal(a, b)), nil
	case "<", "<=", ">", ">=":
		return n.compare(a, b)
	case "+":
		if a.Kind() == entity.String || b.Kind() == entity.String {
			return n.join(r, a, b)
		}
	}
	return arithmetic(n, n.op, a, b)
}

func (n *binaryNode) compare(a, b entity.Value) (entity.Value, error) {
	if a.Kind().Rank() != b.Kind().Rank() || a.Kind() == entity.Dict || a.Kind() == entity.List || a.IsNull() {
		return entity.Value{}, fault(n, "%s and %s cannot be compared by %s", told(a), told(b), n.op)
	}
	c := entity.Compare(a, b)
	switch n.op {
	case "<":
		return entity.NewBool(c < 0), nil
	case "<=":
		return entity.NewBool(c <= 0), nil
	case ">":
		return entity.NewBool(c > 0), nil
	}
	return entity.NewBool(c >= 0), nil
}

func (n *binaryNode) join(r *run, a, b entity.Value) (entity.Value, error) {
	left := appendText(nil, a)
	if err := r.grow(n, len(left)); err != nil {
		return entity.Value{}, err
	}
	all := appendText(left, b)
	if err := r.grow(n, len(all)); err != nil {
		return entity.Value{}, err
	}
	return entity.NewString(string(all)), nil
}

// appendText appends a value as it reads within a text: null as nothing, dicts
// and lists as JSON.
func appendText(dst []byte, v entity.Value) []byte {
	if v.IsNull() {
		return dst
	}
	return entity.AppendBare(dst, v)
}

// arithmetic works out a sum and the like: whole numbers stay whole, as in
// Java; with a fraction on either side it is done in doubles.
func arithmetic(n node, op string, a, b entity.Value) (entity.Value, error) {
	if !a.IsNumber() || !b.IsNumber() {
		return entity.Value{}, fault(n, "%s needs numbers, found %s and %s", op, told(a), told(b))
	}
	if a.Kind() == entity.Int && b.Kind() == entity.Int {
		return whole(n, op, a.Big(), b.Big())
	}
	x, y := a.Float64(), b.Float64()
	var z float64
	switch op {
	case "+":
		z = x + y
	case "-":
		z = x - y
	case "*":
		z = x * y
	case "/":
		z = x / y
	case "%":
		z = math.Mod(x, y)
	case "^":
		z = math.Pow(x, y)
	}
	if math.IsNaN(z) || math.IsInf(z, 0) {
		return entity.Value{}, fault(n, "the result of %s is no number", op)
	}
	return entity.NewFloat(z), nil
}

func whole(n node, op string, x, y *big.Int) (entity.Value, error) {
	z := new(big.Int)
	switch {
	case (op == "/" || op == "%") && y.Sign() == 0:
		return entity.Value{}, fault(n, "division by zero")
	case op == "^" && (y.Sign() < 0 || !y.IsInt64() || y.Int64() > mostBits || int64(x.BitLen())*y.Int64() > mostBits):
		return arithmetic(n, op, entity.NewFloat(toFloat(x)), entity.NewFloat(toFloat(y)))
	}
	switch op {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		z.Mul(x, y)
	case "/":
		z.Quo(x, y)
	case "%":
		z.Rem(x, y)
	case "^":
		z.Exp(x, y, nil)
	}
	if z.BitLen() > mostBits {
		return entity.Value{}, fault(n, "the result of %s is too large", op)
	}
	return entity.NewBig(z), nil
}

func toFloat(x *big.Int) float64 {
	f, _ := new(big.Float).SetInt(x).Float64()
	return f
}
