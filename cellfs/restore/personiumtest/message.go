package personiumtest

import "maps"

// AddSentMessage adds a message that was sent from a box, or from none. Fields
// that are not given have their defaults; Result says that every cell of To took
// it.
func (c *Cell) AddSentMessage(fields map[string]any, box *Box) *Entity {
	e := c.addMessage("SentMessage", box)
	e.s["To"], e.s["ToRelation"], e.s["Result"] = nil, nil, []any{}
	maps.Copy(e.s, fields)
	if to, ok := e.s["To"].(string); ok && fields["Result"] == nil {
		e.s["Result"] = []any{MessageResult(to, "201", "Created.")}
	}
	return e
}

// MessageResult is an element of the Result of a sent message.
func MessageResult(to, code, reason string) map[string]any {
	return map[string]any{"To": to, "Code": code, "Reason": reason}
}

// AddReceivedMessage adds a message that was received for a box, or for none. Its
// __id is the one that the sending cell gave it.
func (c *Cell) AddReceivedMessage(fields map[string]any, box *Box) *Entity {
	e := c.addMessage("ReceivedMessage", box)
	e.s["From"], e.s["MulticastTo"], e.s["Status"] = "https://sender.example/", nil, "unread"
	maps.Copy(e.s, fields)
	return e
}

// addMessage has what both kinds of message share. A message of no box keeps a
// null _Box.Name, which other entities never have; a change of its status (an
// approval, or marking it read) takes it away.
func (c *Cell) addMessage(typ string, box *Box) *Entity {
	e := c.addEntity(typ).inBox(box)
	e.s = map[string]any{
		"__id": c.hexID(), "InReplyTo": nil, "Type": "message", "Title": "", "Body": "",
		"Priority": 3, "RequestObjects": nil,
	}
	if box == nil || box.Entity == nil {
		e.s["_Box.Name"] = nil
	}
	return e
}

// ChangeStatus changes the status of a received message as its recipient does.
func (e *Entity) ChangeStatus(status string) *Entity {
	delete(e.s, "_Box.Name")
	return e.Set("Status", status)
}

// RequestObject is an element of the RequestObjects of a message of type request,
// which holds all members, most of them null.
func RequestObject(fields map[string]any) map[string]any {
	m := map[string]any{
		"RequestType": nil, "Name": nil, "TargetUrl": nil, "ClassUrl": nil, "EventSubject": nil,
		"EventType": nil, "EventObject": nil, "EventInfo": nil, "Action": nil,
	}
	maps.Copy(m, fields)
	return m
}
