package personiumtest

import "time"

// Sample is a cell with something of every kind: no file of its 10_odata is empty.
//
//	roles        reader (of box app), admin (of none)
//	accounts     alice (scrypt, Password), bob (SHA-256, IP range, to change his
//	             password), carol (no password)
//	boxes        app, empty (never opened, so without a directory), the main box
//	resources    those of the comment on sampleResources, and two OData
//	             collections: db in app, notes in the main box
func Sample() *Cell {
	c := New("sample")
	app := c.AddBox("app", "https://app.example/")
	c.AddBox("empty", "")
	reader, admin := c.AddRole("reader", app), c.AddRole("admin", nil)
	sampleControl(c, app, reader, admin)
	sampleResources(c, app, reader, admin)
	sampleOData(app.Root().AddOData("db"))
	notes := c.MainBox().Root().AddOData("notes")
	notes.AddEntityType("Note").Add(map[string]any{"text": "never declared", "stars": 4.5})
	return c
}

func sampleControl(c *Cell, app *Box, reader, admin *Entity) {
	alice := c.AddAccount("alice", ScryptPassword)
	bob := c.AddOldAccount("bob", SHA256Hash("password-of-bob", "salt of the unit"), true)
	bob.Set("IPAddressRange", "192.0.2.0/24,198.51.100.7").Set("Status", "passwordChangeRequired")
	c.AddAccount("carol", "").Set("Type", "basic oidc:provider")
	friend := c.AddRelation("friend", nil)
	member := c.AddRelation("+:member", app)
	other := c.AddExtCell("https://other.example/")
	local := c.AddExtCell("personium-localunit:neighbour:/")
	ext := c.AddExtRole("https://other.example/__role/__/staff", friend)
	c.AddExtRole("https://other.example/__role/box/guest", member)
	c.Link(alice, admin)
	c.Link(reader, bob)
	c.Link(other, friend)
	c.Link(local, reader)
	c.Link(ext, reader)
	c.Link(member, reader)
	c.AddRule(map[string]any{
		"Name": "on-mail", "EventExternal": true, "EventSubject": "https://other.example/#alice",
		"EventType": "mail", "EventObject": "https://other.example/inbox", "EventInfo": "new",
		"Action": "exec", "TargetUrl": "personium-localbox:/svc/run",
	}, app)
	c.AddRule(map[string]any{
		"EventType": "timer.periodic", "EventObject": "5", "Action": "log",
	}, nil)
	c.AddSentMessage(map[string]any{
		"To": "https://other.example/", "Title": "hello", "Body": "line\nU+2028: \u2028",
	}, app)
	c.AddSentMessage(map[string]any{
		"To": "https://other.example/", "Type": "request", "Priority": 1,
		"RequestObjects": []any{RequestObject(map[string]any{
			"RequestType": "role.add", "Name": "reader", "TargetUrl": "https://other.example/",
		})},
		"Result": []any{MessageResult("https://other.example/", "403", "[PR403-AU-0002] - Necessary privilege is lacking.")},
	}, nil)
	received := c.AddReceivedMessage(map[string]any{"From": "https://other.example/", "Title": "re: hello"}, nil)
	c.AddReceivedMessage(map[string]any{"From": "https://other.example/", "Body": "read"}, app).ChangeStatus("read")
	c.Link(alice, received)
}

// sampleResources fills the boxes. The main box has welcome.txt; the box app has
// docs/ with two files (one in Japanese, one that was updated) and a collection
// named "content", svc with its source run.js, stream, and untyped.bin, a file
// without a content type.
func sampleResources(c *Cell, app *Box, reader, admin *Entity) {
	c.Root().SetACL("", Ace{Role: admin, Privileges: []string{"root"}},
		Ace{Privileges: []string{"social-read", "message-read"}})
	c.Root().SetProperty("https://schema.example/", "colour", Element("s", "https://schema.example/", "colour", "blue &amp; green"))
	c.MainBox().Root().AddFile("welcome.txt", "text/plain; charset=utf-8", []byte("welcome\n")).
		SetOldACL("", Ace{Privileges: []string{"read"}})

	root := app.Root().SetACL("public", Ace{Role: reader, Privileges: []string{"read", "exec"}})
	root.SetProperty("https://schema.example/", "note", Element("s", "https://schema.example/", "note", ""))
	docs := root.AddCollection("docs").SetACL("none", Ace{Role: admin, Privileges: []string{"all"}}, Ace{Privileges: []string{"read"}})
	docs.AddFile("日本語.txt", "text/plain", []byte("こんにちは\n"))
	docs.AddFile("a+b%20c.txt", "text/plain", []byte("1")).Update("text/plain", []byte("second"))
	docs.AddCollection("content").AddFile("content", "application/octet-stream", []byte{0, 1, 2, 255})
	docs.AddFile("empty", "text/plain", nil)
	service := root.AddService("svc").SetACL("", Ace{Privileges: []string{"exec"}})
	service.SetProperty("urn:x-personium:xmlns", "service",
		Element("p", "urn:x-personium:xmlns", "service", `<p:path name="run" src="run.js"/>`))
	service.Source().AddFile("run.js", "text/javascript", []byte("function run(request) { return 1; }\n"))
	root.AddStream("stream")
	root.AddFile("untyped.bin", "", []byte("?"))
}

// sampleOData has authors and books (1:n), tags of books (n:n), a cover of a book
// (1:1), complex types in one another, and dynamic properties.
func sampleOData(db *OData) {
	place := db.AddComplexType("Place")
	place.AddProperty("city", "Edm.String")
	address := db.AddComplexType("Address")
	address.AddProperty("street", "Edm.String")
	address.AddProperty("place", "Place")
	address.AddProperty("floors", "Edm.Int32").List()
	author, book := db.AddEntityType("Author"), db.AddEntityType("Book")
	tag, cover := db.AddEntityType("Tag"), db.AddEntityType("Cover")
	author.AddProperty("name", "Edm.String").NotNull()
	author.AddProperty("home", "Address")
	author.AddProperty("former", "Address").List()
	book.AddProperty("title", "Edm.String")
	book.AddProperty("pages", "Edm.Int32").Default("100")
	book.AddProperty("price", "Edm.Double")
	book.AddProperty("rating", "Edm.Single")
	book.AddProperty("lent", "Edm.Boolean").Default("false")
	book.AddProperty("printed", "Edm.DateTime")
	book.AddProperty("keywords", "Edm.String").List()
	book.AddProperty("flags", "Edm.Boolean").List()
	db.Associate("author", author, "0..1", "book", book, "*")
	db.Associate("tagged", book, "*", "tag", tag, "*")
	db.Associate("shows", book, "0..1", "cover", cover, "1")

	a := author.Add(map[string]any{
		"__id": "author1", "name": "An Author",
		"home": map[string]any{"street": "High/Street", "place": map[string]any{"city": "Example"}, "floors": []any{1, 2}},
		"former": []any{
			map[string]any{"street": "Low Street"},
			map[string]any{"place": nil},
		},
	})
	b1 := book.Add(map[string]any{
		"__id": "book1", "title": "One \"quoted\" / slashed", "pages": 250, "price": 12345678.9, "rating": 4.5,
		"lent": true, "printed": time.UnixMilli(1_500_000_000_000), "keywords": []any{"x", "y"}, "flags": []any{true, false},
		"colour": "red", "weight": 0.25, "signed": true, "copies": 3,
	})
	b2 := book.Add(map[string]any{"title": nil})
	t1, t2 := tag.Add(nil), tag.Add(map[string]any{"__id": "t:2"})
	db.LinkData(a, b1)
	db.LinkData(b2, a)
	db.LinkData(b1, t1)
	db.LinkData(t2, b1)
	db.LinkData(b1, cover.Add(map[string]any{"__id": "cover1"}))
}
