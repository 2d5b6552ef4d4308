package entity_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
)

// TestHashesDiffer hashes a million values that are close to one another: no
// half of any hash may come twice.
func TestHashesDiffer(t *testing.T) {
	seen := [2]map[uint64]string{{}, {}}
	n := 0
	note := func(v entity.Value) {
		n++
		h := entity.Hash(v)
		for i := range seen {
			half := binary.LittleEndian.Uint64(h[8*i:])
			if other, ok := seen[i][half]; ok {
				t.Fatalf("%s and %s have the same half", other, v)
			}
			seen[i][half] = v.String()
		}
	}
	member := func(key string, v entity.Value) entity.Value {
		return entity.NewDict(entity.Member{Key: key, Value: v})
	}
	for i := 1; i < 60_000; i++ {
		text := fmt.Sprint(i)
		note(member("n", entity.NewInt(int64(i))))
		note(member("n", entity.NewInt(int64(i)<<32)))
		note(member("n", entity.NewFloat(float64(i)+0.25)))
		note(member("n", entity.NewString(text)))
		note(member("m", entity.NewString(text)))
		note(member(text, entity.NewString("n")))
		note(member("n", entity.NewString("order-"+text)))
		note(member("n", entity.NewString(strings.Repeat("x", 20)+text)))
		note(member("n", entity.NewString(strings.Repeat("x", 300)+text)))
		note(member("n", entity.NewList(entity.NewInt(int64(i%300)), entity.NewInt(int64(i/300)))))
		note(member("n", member("m", entity.NewInt(int64(i)))))
		note(entity.NewDict(entity.Member{Key: "a", Value: entity.NewInt(int64(i % 300))}, entity.Member{Key: "b", Value: entity.NewInt(int64(i/300) + 1000)}))
	}
	for i := range 400 {
		note(member("n", entity.NewString(strings.Repeat("\x00", i+1))))
	}
	t.Log(n, "values")
}

// TestHashSpreads changes one bit of a word or of a text: on average half of
// the hash's bits change, and no bit of it stays as it is most of the time.
func TestHashSpreads(t *testing.T) {
	for _, size := range []int{8, 3, 12, 16, 40, 400} {
		flips, trials := [128]int{}, 0
		for at := range 8 * size {
			for round := range max(1, 4000/(8*size)) {
				text := bytes.Repeat([]byte{byte(round), byte(at * 7), 0x35}, size)[:size]
				a := digestOf(text)
				text[at/8] ^= 1 << (at % 8)
				b := digestOf(text)
				trials++
				for i := range flips {
					if (a[i/8]^b[i/8])>>(i%8)&1 == 1 {
						flips[i]++
					}
				}
			}
		}
		all := 0
		for i, n := range flips {
			all += n
			if n < trials*2/5 || n > trials*3/5 {
				t.Errorf("%d octets: bit %d changes %d times of %d", size, i, n, trials)
			}
		}
		if mean := float64(all) / float64(trials); mean < 62 || mean > 66 {
			t.Errorf("%d octets: %.2f bits change, of 128", size, mean)
		}
	}
}

func digestOf(text []byte) [16]byte {
	return entity.Hash(entity.NewDict(entity.Member{Key: "k", Value: entity.NewBytes(bytes.Clone(text))}))
}

// TestHashOfSums: the order of members does not count, the order of elements
// and what belongs to which key do.
func TestHashOfSums(t *testing.T) {
	parse := func(text string) [16]byte {
		v, err := entity.Decode(entity.NewArena(), []byte(text), entity.DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return entity.Hash(v)
	}
	if parse(`{"_id":"1","a":{"x":1,"y":2},"b":3}`) != parse(`{"b":3,"a":{"y":2,"x":1},"_id":"1"}`) {
		t.Error("the order of members counts")
	}
	apart := []string{
		`{"a":1,"b":2}`, `{"a":2,"b":1}`, `{"a":[1,2]}`, `{"a":[2,1]}`, `{"a":[[1],2]}`, `{"a":[1,[2]]}`, `{"a":[]}`, `{"a":[[]]}`,
		`{"a":{}}`, `{"a":null}`, `{}`, `{"a":0}`, `{"a":0.0}`, `{"a":"0"}`, `{"a":false}`, `{"a":""}`, `{"":"a"}`, `{"a":{"b":1}}`,
		`{"a":{"b":1},"b":1}`, `{"a":[{"b":1}]}`, `{"ab":"c"}`, `{"a":"bc"}`, `{"_deleted":true}`,
	}
	seen := map[[16]byte]string{}
	for _, text := range apart {
		h := parse(text)
		if seen[h] != "" {
			t.Errorf("%s and %s are the same", text, seen[h])
		}
		seen[h] = text
	}
	if ones := bits.OnesCount64(binary.LittleEndian.Uint64(digestHead(parse(`{"a":0}`)))); ones < 16 || ones > 48 {
		t.Errorf("a small number leaves %d bits", ones)
	}
}

func digestHead(h [16]byte) []byte { return h[:8] }

func BenchmarkHash(b *testing.B) {
	data, err := os.ReadFile("../testdata/perf/orders.ndjson")
	if err != nil {
		b.Fatal(err)
	}
	a := entity.NewArena()
	var list []entity.Value
	for line := range bytes.Lines(data) {
		v, err := entity.Decode(a, bytes.TrimSpace(line), entity.DecodeOptions{Stored: true})
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, v)
	}
	for i := 0; b.Loop(); i++ {
		entity.Hash(list[i%len(list)])
	}
}
