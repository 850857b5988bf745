package restore

import (
	"crypto/sha256"
	"encoding/binary"
	"io/fs"
	"strings"

	"cellar/cellfs"
)

// place is a collection that nodes can be put into.
type place struct {
	id     int64 // of its node; 0 until it is made
	number int32 // among the places
	kind   cellfs.Kind
	depth  uint8 // below its box
	listed bool  // of the cell and a box, which are made first: a line says what they are
}

// digest stands for a text that would be too long to be kept.
type digest [16]byte

func digestOf(parts ...string) (d digest) {
	h := sha256.New()
	var length [8]byte
	for _, p := range parts {
		binary.LittleEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write([]byte(p))
	}
	copy(d[:], h.Sum(nil))
	return d
}

// places are the collections of an import, found by their paths. What is kept of one does
// not depend on how long its path is: the number of what holds it, and a digest of its name,
// which counts in any Unicode form.
type places struct {
	blocks []*[placeBlock]place // a place stays where it is: others hold it
	n      int32
	index  map[digest]int32

	// The way to the collection that was looked for last. The next one is mostly in the same
	// part of the tree.
	path string
	way  []step
}

const placeBlock = 512

// step is a collection on the way, and where its name ends in the path.
type step struct {
	end   int
	place *place
}

func newPlaces(root int64) *places {
	s := &places{index: map[digest]int32{}}
	s.new(place{id: root, kind: cellfs.KindCell})
	return s
}

func (s *places) at(number int32) *place { return &s.blocks[number/placeBlock][number%placeBlock] }

// root is the place of the cell.
func (s *places) root() *place { return s.at(0) }

func (s *places) new(p place) *place {
	if s.n%placeBlock == 0 {
		s.blocks = append(s.blocks, new([placeBlock]place))
	}
	p.number = s.n
	s.n++
	at := s.at(p.number)
	*at = p
	return at
}

func placeKey(up *place, name string) digest {
	var number [4]byte
	binary.LittleEndian.PutUint32(number[:], uint32(up.number))
	return digestOf(string(number[:]), cellfs.Key(name))
}

// child is the collection of that name in up; nil if there is none.
func (s *places) child(up *place, name string) *place {
	if n, ok := s.index[placeKey(up, name)]; ok {
		return s.at(n)
	}
	return nil
}

// add makes the place of a collection in up. It returns [fs.ErrExist] if there is one.
func (s *places) add(up *place, name string, p place) (*place, error) {
	k := placeKey(up, name)
	if _, there := s.index[k]; there {
		return nil, fs.ErrExist
	}
	at := s.new(p)
	s.index[k] = at.number
	return at, nil
}

// find is the collection with that path below the cell; nil if there is none.
func (s *places) find(path string) *place {
	at, begin, n := s.root(), 0, 0
	for _, x := range s.way { // as far as it is the same
		if x.end > len(path) || x.end < len(path) && path[x.end] != '/' || path[begin:x.end] != s.path[begin:x.end] {
			break
		}
		at, begin = x.place, min(x.end+1, len(path))
		n++
	}
	s.path, s.way = path, s.way[:n]
	for begin < len(path) {
		name, _, _ := strings.Cut(path[begin:], "/")
		if at = s.child(at, name); at == nil {
			return nil
		}
		s.way = append(s.way, step{begin + len(name), at})
		begin += len(name) + 1
	}
	return at
}
