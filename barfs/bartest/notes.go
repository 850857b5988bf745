package bartest

// Notes is the bar of the tour in the README: a small notes application with
// roles, a page, a few notes, and a collection of user OData.
func Notes() *Bar {
	const (
		acl = `<acl xml:base="https://notes.example/__role/__/">` +
			`<ace><principal><href>reader</href></principal><grant><privilege><read/></privilege></grant></ace>` +
			`<ace><principal><href>writer</href></principal><grant><privilege><read/></privilege><privilege><write/></privilege></grant></ace></acl>`
		schema = `<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><edmx:DataServices>` +
			`<Schema xmlns="http://schemas.microsoft.com/ado/2006/04/edm" Namespace="UserData">` +
			`<EntityType Name="Tag" OpenType="true"><Key><PropertyRef Name="__id"/></Key>` +
			`<Property Name="Label" Type="Edm.String" Nullable="false"/></EntityType></Schema></edmx:DataServices></edmx:Edmx>`
	)
	return New("https://notes.example/").
		Meta("20_roles.json", `{"Roles":[{"Name":"reader"},{"Name":"writer"}]}`).
		Box(acl+`<n:title xmlns:n="https://notes.example/ns">Notes</n:title>`).
		File("index.html", "text/html", "<!doctype html>\n<title>Notes</title>\n<h1>Notes</h1>\n<p>One text file for each note lies in <a href=\"notes/\">notes</a>.\n").
		Collection("notes", "").
		File("notes/welcome.txt", "text/plain; charset=utf-8", "Welcome.\nThis note came with the application.\n").
		File("notes/shopping.txt", "text/plain; charset=utf-8", "bread\nbutter\ntea\n").
		OData("tags").
		Entry("90_contents/tags/00_$metadata.xml", schema).
		Entry("90_contents/tags/90_data/Tag/1.json", `{"__id":"home","Label":"Home"}`).
		Entry("90_contents/tags/90_data/Tag/2.json", `{"__id":"work","Label":"Work"}`)
}
