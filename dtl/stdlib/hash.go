package stdlib

import (
	"fmt"
	"math/big"

	"github.com/twmb/murmur3"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func hashes() []dtl.Func {
	return []dtl.Func{
		{Name: "hash128", Args: "ALGORITHM(string{1}) SEED(integer-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Hashes strings and bytes with murmur3 into integers of 128 bits.",
			Examples: []dtl.Example{{`["hash128", "murmur3", "abc"]`, `79267961763742113019008347020647561319`}, {`["hash128", "murmur3", ["list", 1]]`, `[]`}, {`["hash128", "murmur3", null]`, `null`}, {`["hash128", "md5", "a"]`, `error: murmur3`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				algorithm := fixed(b, a, 0, "dtl/hash", func(s string) (struct{}, error) {
					if s != "murmur3" {
						return struct{}{}, fmt.Errorf("the algorithm must be \"murmur3\", not %q", s)
					}
					return struct{}{}, nil
				})
				seed, vals := b.Optional(a.One(1)), b.Expr(a.One(2)).Eval
				return func(c *dtl.Ctx) value {
					if _, ok := algorithm(c); !ok {
						return null
					}
					var s int64
					if seed != nil {
						s, _ = dtl.First(seed.Eval(c)).Int64()
					}
					return c.Map(vals(c), func(v value) (value, bool) { return murmur(v, uint64(uint32(s))) })
				}
			}},
		{Name: "completeness", Args: "VIA_DATASET_ID(string{1}) DATASET_ID(string{1})", Impure: true,
			Doc:      "Returns up to when a dataset has come through another one; null if that is not known.",
			Examples: []dtl.Example{{`["completeness", "a", "b"]`, `null`}},
			Call2: func(c *dtl.Ctx, via, dataset value) value {
				h, ok := c.Host().(dtl.Completeness)
				if !ok {
					return null
				}
				t, ok := h.Completeness(dtl.First(via).Text(), dtl.First(dataset).Text())
				if !ok {
					return null
				}
				return entity.NewDatetime(t)
			}},
	}
}

func murmur(v value, seed uint64) (value, bool) {
	var data []byte
	switch v.Kind() {
	case entity.String:
		data = []byte(v.Text())
	case entity.Bytes:
		data = v.Octets()
	default:
		return null, false
	}
	low, high := murmur3.SeedSum128(seed, seed, data)
	i := new(big.Int).Lsh(new(big.Int).SetUint64(high), 64)
	return entity.NewBig(i.Or(i, new(big.Int).SetUint64(low))), true
}
