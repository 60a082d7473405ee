package diskblob

import "sync"

// slack is the room in a buffer for what surrounds a payload in a record.
const slack = 8 << 10

// bufferSizes are the classes of buffers, each with slack on top.
var bufferSizes = [...]int{16 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20, 4 << 20}

// buffers lends slices.
type buffers struct {
	pools [len(bufferSizes)]sync.Pool // of *[]byte
}

// get gives a slice of length n, with whatever bytes in it.
func (b *buffers) get(n int) *[]byte {
	for i, size := range bufferSizes {
		if n <= size+slack {
			if p, ok := b.pools[i].Get().(*[]byte); ok {
				*p = (*p)[:n]
				return p
			}
			p := make([]byte, n, size+slack)
			return &p
		}
	}
	p := make([]byte, n)
	return &p
}

// put takes a slice back. Nobody uses it afterwards.
func (b *buffers) put(p *[]byte) {
	for i, size := range bufferSizes {
		if cap(*p) == size+slack {
			b.pools[i].Put(p)
			return
		}
	}
}
