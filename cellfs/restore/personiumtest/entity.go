package personiumtest

import (
	"crypto/sha256"
	"fmt"
	"maps"
)

// Entity is one document: a line of a .pjson file, or 00_cell.json. Its methods
// return the entity, so that calls chain.
type Entity struct {
	cell *Cell
	typ  string
	id   string

	s, h             map[string]any // declared and hidden properties
	l                map[string]any // n:1 links: type name, or in user data type id, to id
	box, node, etype any            // b, n, t: ids or nil
	p, u             int64
	override         map[string]any
	drop             []string
}

func (c *Cell) newEntity(typ string) *Entity {
	now := c.now()
	return &Entity{
		cell: c, typ: typ, id: c.NewID(),
		s: map[string]any{}, h: map[string]any{}, l: map[string]any{},
		p: now, u: now,
	}
}

func (c *Cell) addEntity(typ string) *Entity {
	e := c.newEntity(typ)
	c.entities = append(c.entities, e)
	return e
}

// ID is the internal id.
func (e *Entity) ID() string { return e.id }

// Set updates a property, as a MERGE does.
func (e *Entity) Set(key string, value any) *Entity {
	e.s[key] = value
	e.u = e.cell.now()
	return e
}

// inBox binds the entity to a box by an n:1 link.
func (e *Entity) inBox(b *Box) *Entity {
	if b != nil && b.Entity != nil {
		e.l["Box"] = b.id
	}
	return e
}

// source is what the handler of the type stores. The "type" member comes from the
// database adapter. Null members are written.
func (e *Entity) source() map[string]any {
	m := map[string]any{
		"type": e.typ, "s": e.s, "h": e.h, "p": e.p, "u": e.u,
		"c": e.cell.ID(), "b": e.box, "n": e.node, "t": e.etype, "l": e.l,
	}
	switch e.typ {
	case "Cell":
		m["c"] = nil // cells belong to no cell
		m["a"], m["d"] = map[string]any{}, map[string]any{}
		m["s"] = map[string]any{"Name": e.cell.Name}
		if e.cell.Owner != "" {
			h := maps.Clone(e.h)
			h["Owner"] = e.cell.Owner
			m["h"] = h
		}
	case "Property", "ComplexTypeProperty":
		delete(m, "t") // appears with the first update only
	case "UserData":
		delete(m, "l")
		ll := []any{}
		for _, key := range hashOrder(e.l) {
			ll = append(ll, key+":"+e.l[key].(string))
		}
		m["ll"] = ll
	}
	maps.Copy(m, e.override)
	for _, key := range e.drop {
		delete(m, key)
	}
	return m
}

// A password for [Cell.AddAccount], and its hash in
// Personium's default form: what Spring Security's SCryptPasswordEncoder makes
// with cost 16384, block size 8, parallelism 1, 64 bytes of salt and a key of 32.
const (
	Password       = "password-of-alice"
	ScryptPassword = "$e0801$jLvAi/b4blYYR4KkYveNok565qFXbg8IK0tC08/PRYHayeTq0vf1Gx52f1ssVu3Jrnjw139TVDjMDI3XP7o3Aw==$WWFiBiOXNAxC5p4FGunY0vAClhZXambn/hNplxrLppU="
)

// AddAccount adds an account whose password is hashed with scrypt; see
// [ScryptPassword]. An empty hash is an account without a password.
func (c *Cell) AddAccount(name, hash string) *Entity {
	e := c.addEntity("Account")
	e.s["Name"] = name
	e.s["Type"] = "basic"
	e.s["Cell"] = nil
	e.s["IPAddressRange"] = nil
	e.s["Status"] = "active"
	if hash != "" {
		e.h["HashedCredential"] = hash
		e.h["HashAlgorithm"] = "scrypt"
		e.h["HashAttributes"] = `{"keyLength":32}`
	}
	return e
}

// AddOldAccount adds an account with the hash of older versions, such as
// [SHA256Hash] makes. Those from before scrypt came (spring of 2019) do not name
// the algorithm.
func (c *Cell) AddOldAccount(name, hash string, named bool) *Entity {
	e := c.AddAccount(name, "")
	e.h["HashedCredential"] = hash
	if named {
		e.h["HashAlgorithm"] = "sha-256"
		e.h["HashAttributes"] = nil
	}
	return e
}

// SHA256Hash is the older hash. The salt is a setting of the unit and not part of
// a snapshot.
func SHA256Hash(password, salt string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(password+salt)))
}

// AddRole adds a role of a box, or of none.
func (c *Cell) AddRole(name string, box *Box) *Entity {
	e := c.addEntity("Role").inBox(box)
	e.s["Name"] = name
	return e
}

// AddRelation adds a relation of a box, or of none.
func (c *Cell) AddRelation(name string, box *Box) *Entity {
	e := c.addEntity("Relation").inBox(box)
	e.s["Name"] = name
	return e
}

// AddExtCell adds an external cell.
func (c *Cell) AddExtCell(url string) *Entity {
	e := c.addEntity("ExtCell")
	e.s["Url"] = url
	return e
}

// AddExtRole adds an external role of a relation.
func (c *Cell) AddExtRole(url string, relation *Entity) *Entity {
	e := c.addEntity("ExtRole")
	e.s["ExtRole"] = url
	e.l["Relation"] = relation.id
	return e
}

// AddRule adds a rule of a box, or of none. Fields that are not given are null,
// the name 32 hex digits and EventExternal false.
func (c *Cell) AddRule(fields map[string]any, box *Box) *Entity {
	e := c.addEntity("Rule").inBox(box)
	e.s = map[string]any{
		"Name": c.hexID(), "EventExternal": false, "EventSubject": nil, "EventType": nil,
		"EventObject": nil, "EventInfo": nil, "Action": nil, "TargetUrl": nil,
	}
	maps.Copy(e.s, fields)
	return e
}
