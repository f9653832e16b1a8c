package canary

// piece is bytes to be searched: a window of a file, or what came out of
// undoing an encoding in another piece.
type piece struct {
	data  []byte  // with padding within its capacity
	at    []int32 // where in outer each byte comes from; nil when data is outer's, or begins at base
	outer *piece
	base  int64  // of a piece without outer: where it begins
	how   string // encodings that were undone: "gzip > base64 > "
	depth int
	file  bool // a window of a file: what is packed in it is unpacked by whoever reads the file
}

// offset is where byte i comes from, in the outermost piece.
func (p *piece) offset(i int) int64 {
	for p.outer != nil {
		i, p = int(p.at[i]), p.outer
	}
	return p.base + int64(i)
}

// derived collects what decoding gives: runs from various places, kept apart.
type derived struct {
	data []byte
	at   []int32
}

func (d *derived) reset() { d.data, d.at = d.data[:0], d.at[:0] }

func (d *derived) put(b byte, at int) {
	d.data = append(d.data, b)
	d.at = append(d.at, int32(at))
}

// apart ends a run: no value goes on across it. 0xFF is in no UTF-8 and no
// digit of an encoding.
func (d *derived) apart() {
	if n := len(d.data); n > 0 {
		for range 4 {
			d.put(0xFF, int(d.at[n-1]))
		}
	}
}

func (d *derived) piece(outer *piece, how string) *piece {
	for range padding {
		d.data = append(d.data, 0)
	}
	d.data = d.data[:len(d.data)-padding]
	return &piece{data: d.data, at: d.at, outer: outer, how: outer.how + how + " > ", depth: outer.depth + 1}
}
