package answer

// Code is the code of an error, as contract 7 lists them: PR, three digits that are the status
// of the answer, a group and a number.
type Code string

// The codes. What each one says is in texts.
const (
	// Requests (contract 7.2).
	NotModified        Code = "PR304-DV-0001"
	MissingKey         Code = "PR400-CM-0001"
	FieldFormat        Code = "PR400-CM-0002"
	JSONSyntax         Code = "PR400-CM-0004"
	Authority          Code = "PR400-CM-0005"
	BodyIncomplete     Code = "PR400-CM-0006"
	Checksum           Code = "PR400-CM-0007"
	NotMapped          Code = "PR404-MC-0001"
	MethodNotAllowed   Code = "PR405-MC-0001"
	RequestTimeout     Code = "PR408-MC-0001"
	PreconditionFailed Code = "PR412-MC-0001"
	BodyTooLarge       Code = "PR413-CM-0001"
	ContentEncoding    Code = "PR415-CM-0001"
	MediaType          Code = "PR415-MC-0001"
	NotImplemented     Code = "PR501-MC-0001"

	// Callers (contract 7.3).
	PasswordFormat       Code = "PR400-AU-0001"
	NoCredential         Code = "PR400-AU-0003"
	Unauthorized         Code = "PR401-AU-0001"
	TokenExpired         Code = "PR401-AU-0002"
	AuthScheme           Code = "PR401-AU-0003"
	BasicFormat          Code = "PR401-AU-0004"
	TokenFormat          Code = "PR401-AU-0006"
	RefreshTokenAsAccess Code = "PR401-AU-0007"
	CookiePeer           Code = "PR401-AU-0009"
	LoginInterval        Code = "PR401-AU-0010"
	WrongPassword        Code = "PR401-AU-0011"
	PasswordChangeToken  Code = "PR401-AU-0012"
	AdminOnly            Code = "PR403-AU-0001"
	NoPrivilege          Code = "PR403-AU-0002"
	OtherOwner           Code = "PR403-AU-0003"
	NoApplication        Code = "PR403-AU-0004"
	OtherApplication     Code = "PR403-AU-0005"
	ApplicationLevel     Code = "PR403-AU-0006"
	Scope                Code = "PR403-AU-0007"
	OtherSite            Code = "PR403-AU-0008"
	TooManyRequests      Code = "PR503-SV-0001"

	// The token endpoint (contract 7.4).
	GrantType              Code = "PR400-AN-0001"
	TokenTarget            Code = "PR400-AN-0002"
	ClientSecretFormat     Code = "PR400-AN-0003"
	ClientSecretExpired    Code = "PR400-AN-0004"
	ClientSecretIssuer     Code = "PR400-AN-0006"
	ClientSecretTarget     Code = "PR400-AN-0007"
	RefreshTokenFormat     Code = "PR400-AN-0009"
	RefreshTokenExpired    Code = "PR400-AN-0010"
	TokenTargetWrong       Code = "PR400-AN-0012"
	NotRefreshToken        Code = "PR400-AN-0013"
	MissingParameter       Code = "PR400-AN-0016"
	LoginFailed            Code = "PR400-AN-0017"
	ClientHeader           Code = "PR400-AN-0018"
	NothingOfScope         Code = "PR400-AN-0024"
	ClientMismatch         Code = "PR401-AN-0020"
	ClientRequired         Code = "PR401-AN-0021"
	PasswordChangeRequired Code = "PR401-AN-0023"

	// WebDAV (contract 7.5).
	XMLSyntax                 Code = "PR400-DV-0001"
	XMLContent                Code = "PR400-DV-0002"
	DepthValue                Code = "PR400-DV-0003"
	RoleNotFound              Code = "PR400-DV-0004"
	RoleBoxNotFound           Code = "PR400-DV-0005"
	ACLInvalid                Code = "PR400-DV-0006"
	TooDeep                   Code = "PR400-DV-0008"
	HeaderValue               Code = "PR400-DV-0009"
	HeaderMissing             Code = "PR400-DV-0010"
	MoveServiceSource         Code = "PR400-DV-0011"
	MoveIntoOData             Code = "PR400-DV-0013"
	MoveIntoFile              Code = "PR400-DV-0014"
	MoveIntoService           Code = "PR400-DV-0016"
	OverwriteServiceSource    Code = "PR400-DV-0017"
	CollectionInServiceSource Code = "PR400-DV-0018"
	InfiniteDepth             Code = "PR403-DV-0001"
	NameInvalid               Code = "PR403-DV-0004"
	DestinationIsSource       Code = "PR403-DV-0005"
	DestinationOverlaps       Code = "PR403-DV-0006"
	MoveBox                   Code = "PR403-DV-0007"
	DestinationReadOnly       Code = "PR403-DV-0008"
	NotLockOwner              Code = "PR403-DV-0009"
	ProtectedProperty         Code = "PR403-DV-0011"
	ResourceNotFound          Code = "PR404-DV-0001"
	BoxNotFound               Code = "PR404-DV-0002"
	CellNotFound              Code = "PR404-DV-0003"
	MkcolExists               Code = "PR405-DV-0001"
	ParentMissing             Code = "PR409-DV-0001"
	FileExists                Code = "PR409-DV-0002"
	LockTokenURL              Code = "PR409-DV-0004"
	ETagMismatch              Code = "PR412-DV-0001"
	DestinationExists         Code = "PR412-DV-0002"
	RangeNotSatisfiable       Code = "PR416-DV-0001"
	Locked                    Code = "PR423-DV-0001"
	OtherServer               Code = "PR502-DV-0001"
	AnswerTooLarge            Code = "PR507-DV-0001"
	PropertiesTooLarge        Code = "PR507-DV-0002"
	TooManyLocks              Code = "PR507-DV-0003"

	// Installs (contract 7.6).
	BarMediaType     Code = "PR400-BI-0001"
	BarTooLarge      Code = "PR400-BI-0002"
	BarEntryTooLarge Code = "PR400-BI-0003"
	SchemaTaken      Code = "PR400-BI-0004"
	BarFileFormat    Code = "PR400-BI-0006"
	BarNotZip        Code = "PR400-BI-0007"
	BarUnreadable    Code = "PR400-BI-0008"
	BarStructure     Code = "PR400-BI-0009"
	BarVersion       Code = "PR400-BI-0010"
	BoxExists        Code = "PR405-BI-0001"
	UpdateSchema     Code = "PR409-BI-0001"
	UpdateFailedBox  Code = "PR409-BI-0002"
	Installing       Code = "PR423-BI-0001"

	// Control objects and OData (contract 7.8).
	ODataJSON          Code = "PR400-OD-0001"
	QuerySyntax        Code = "PR400-OD-0002"
	FilterSyntax       Code = "PR400-OD-0003"
	EntityKey          Code = "PR400-OD-0004"
	FormatOption       Code = "PR400-OD-0005"
	BodyField          Code = "PR400-OD-0006"
	UnknownProperty    Code = "PR400-OD-0007"
	RequiredProperty   Code = "PR400-OD-0009"
	InlineCount        Code = "PR400-OD-0013"
	OrderSyntax        Code = "PR400-OD-0015"
	SelectSyntax       Code = "PR400-OD-0017"
	BatchFormat        Code = "PR400-OD-0018"
	RelatedEntity      Code = "PR400-OD-0024"
	ExpandSyntax       Code = "PR400-OD-0026"
	QueryValue         Code = "PR400-OD-0029"
	BatchSize          Code = "PR400-OD-0030"
	LinkMultiplicity   Code = "PR400-OD-0031"
	ODataStructure     Code = "PR400-OD-0032"
	ODataTypes         Code = "PR400-OD-0033"
	QueryOption        Code = "PR400-OD-0036"
	LinkCount          Code = "PR400-OD-0038"
	ExpandLimit        Code = "PR400-OD-0039"
	AcceptHeader       Code = "PR400-OD-0041"
	QueryUnsupported   Code = "PR400-OD-0042"
	SchemaFormat       Code = "PR400-OD-0050"
	ODataNotFound      Code = "PR404-OD-0000"
	EntitySetNotFound  Code = "PR404-OD-0001"
	EntityNotFound     Code = "PR404-OD-0002"
	NavigationNotFound Code = "PR404-OD-0003"
	EntityInUse        Code = "PR409-OD-0001"
	LinkExists         Code = "PR409-OD-0002"
	EntityExists       Code = "PR409-OD-0003"
	ObjectETagMismatch Code = "PR412-OD-0002"

	// The event log (contract 7.9).
	RequestKey       Code = "PR400-EV-0002"
	EventField       Code = "PR400-EV-0004"
	DeleteCurrentLog Code = "PR400-EV-0005"

	// Exports, imports and the server (contract 4.5, 4.10, 4.11, 7.10).
	SnapshotPartMissing Code = "PR400-MC-0001"
	SnapshotVersion     Code = "PR400-MC-0003"
	SnapshotNotZip      Code = "PR400-MC-0004"
	SnapshotDamaged     Code = "PR400-MC-0005"
	SnapshotTooLarge    Code = "PR400-MC-0006"
	JobRunning          Code = "PR409-CM-0002"
	CellInUse           Code = "PR409-MC-0001"
	SnapshotNotWritten  Code = "PR500-CM-0002"
	ContentDamaged      Code = "PR500-CM-0003"
	GivenUp             Code = "PR500-MC-0001"
	Internal            Code = "PR500-SV-0000"
	NoSpace             Code = "PR507-SV-0001"
	QuotaExceeded       Code = "PR507-SV-0002"
	TooManyResources    Code = "PR507-SV-0003"
)

// texts are what the codes say, with a verb of package fmt for each argument.
var texts = map[Code]string{
	NotModified:               "Not modified.",
	MissingKey:                "Required key [%s] missing.",
	FieldFormat:               "Field [%s] format error. Must be [%s].",
	JSONSyntax:                "JSON parse error. [%s].",
	Authority:                 "Invalid URL authority [%s].",
	BodyIncomplete:            "Request body broke off.",
	Checksum:                  "The checksum of the body differs from OC-Checksum.",
	NotMapped:                 "URI is not recognized.",
	MethodNotAllowed:          "Method not allowed.",
	RequestTimeout:            "Request timeout in server.",
	PreconditionFailed:        "Precondition failed [Header: %s].",
	BodyTooLarge:              "Request body is too large.",
	ContentEncoding:           "Content-Encoding is not supported.",
	MediaType:                 "Unsupported media type.",
	NotImplemented:            "Method not implemented.",
	PasswordFormat:            "Password format is invalid.",
	NoCredential:              "Personium credential required.",
	Unauthorized:              "Authorization required.",
	TokenExpired:              "Access token expired.",
	AuthScheme:                "Invalid authentication scheme.",
	BasicFormat:               "Basic auth format error.",
	TokenFormat:               "Token parse error.",
	RefreshTokenAsAccess:      "Can not access with refresh token.",
	CookiePeer:                "Authentication failed.",
	LoginInterval:             "Authentication failed.",
	WrongPassword:             "Authentication failed.",
	PasswordChangeToken:       "Can not access with password change access token.",
	AdminOnly:                 "Unit user access required.",
	NoPrivilege:               "Necessary privilege is lacking.",
	OtherOwner:                "This resource can not be accessed by the Unit User specified in authorization header.",
	NoApplication:             "Schema authentication is required to access this resource.",
	OtherApplication:          "This resource can not be accessed with the schema that has been authenticated.",
	ApplicationLevel:          "Insufficient schema authorization level.",
	Scope:                     "Insufficient scope is granted for the access token. [%s] Privilege is required.",
	OtherSite:                 "Requests of other sites need a token.",
	TooManyRequests:           "Too many concurrent requests.",
	GrantType:                 "Unsupported grant type. [%s]",
	TokenTarget:               "Invalid p_target.",
	ClientSecretFormat:        "Failed to parse client secret.",
	ClientSecretExpired:       "Client secret is expired and invalid.",
	ClientSecretIssuer:        "Client secret issuer does not match the client_id.",
	ClientSecretTarget:        "Client secret target is wrong.",
	RefreshTokenFormat:        "Token parse error.",
	RefreshTokenExpired:       "Token expired or invalid.",
	TokenTargetWrong:          "Token target is wrong. target=[%s]",
	NotRefreshToken:           "Not a refresh token.",
	MissingParameter:          "Required parameter [%s] missing.",
	LoginFailed:               "Authentication failed.",
	ClientHeader:              "Authorization header is invalid.",
	ClientMismatch:            "Client mismatch. [%s] expected, but was [%s].",
	ClientRequired:            "Client Authentication is required.",
	NothingOfScope:            "Nothing of the scope can be granted.",
	PasswordChangeRequired:    "The password should be changed.",
	XMLSyntax:                 "XML parse error.",
	XMLContent:                "XML content error.",
	DepthValue:                "Invalid depth header value:[%s].",
	RoleNotFound:              "Role not found.",
	RoleBoxNotFound:           "Box not found url:[%s].",
	ACLInvalid:                "XML validate error. Cause:[%s].",
	TooDeep:                   "Hierarchy of the collection is too deep.",
	HeaderValue:               "Request header %s value is invalid [%s].",
	HeaderMissing:             "Header %s is required.",
	MoveServiceSource:         "Prohibited to move service source collection.",
	MoveIntoOData:             "Prohibited to move resource to OData collection.",
	MoveIntoFile:              "Prohibited to move resource to file.",
	MoveIntoService:           "Prohibited to move resource to service collection.",
	OverwriteServiceSource:    "Prohibited to overwrite service source collection.",
	CollectionInServiceSource: "Prohibited to create collection under service source collection.",
	InfiniteDepth:             "Infinite depth is not supported.",
	NameInvalid:               "Resource name is invalid [%s].",
	DestinationIsSource:       "Destination header value [%s] equals request URL.",
	DestinationOverlaps:       "Destination header value [%s] contains the request URL or lies within it.",
	MoveBox:                   "Prohibited to move box.",
	DestinationReadOnly:       "Destination [%s] cannot be written.",
	NotLockOwner:              "The lock was taken by somebody else.",
	ProtectedProperty:         "A protected property cannot be set.",
	ResourceNotFound:          "Resource not found. [%s].",
	BoxNotFound:               "Box not found at [%s].",
	CellNotFound:              "Cell not found.",
	MkcolExists:               "Method not allowed. MKCOL can only be executed on a deleted/non-existent resource.",
	ParentMissing:             "intermediate collection [%s] should be created first.",
	FileExists:                "File [%s] already exists.",
	LockTokenURL:              "Lock token does not match the request URL.",
	ETagMismatch:              "ETag does not match.",
	DestinationExists:         `Overwrite header is "F" and the destination URL is already mapped to a resource.`,
	RangeNotSatisfiable:       "Range is not satisfiable.",
	Locked:                    "Resource is locked.",
	OtherServer:               "Destination [%s] is on another server.",
	AnswerTooLarge:            "The answer is too large.",
	PropertiesTooLarge:        "The properties of the resource take too much.",
	TooManyLocks:              "There are too many locks.",
	BarMediaType:              "Request header is not defined or invalid [%s].",
	BarTooLarge:               "%s",
	BarEntryTooLarge:          "%s",
	SchemaTaken:               "Install target box is already registered as Box Schema[%s]. The box is [%s].",
	BarFileFormat:             "%s",
	BarNotZip:                 "%s",
	BarUnreadable:             "%s",
	BarStructure:              "%s",
	BarVersion:                "%s",
	BoxExists:                 "Install target box is already registered [%s].",
	UpdateSchema:              "The bar has the schema [%s], the box has [%s].",
	UpdateFailedBox:           "The install of box [%s] failed: install the bar with Overwrite: T.",
	Installing:                "Box [%s] is being installed.",
	ODataJSON:                 "JSON parse error.",
	QuerySyntax:               "OData Query parse error.",
	FilterSyntax:              "OData $filter Parse Error.",
	EntityKey:                 "OData EntityKey Parse error.",
	FormatOption:              "$format value [%s] is invalid.",
	BodyField:                 "request body format error. field [%s]",
	UnknownProperty:           `[unknown property name "%s"]`,
	RequiredProperty:          "[%s] is required.",
	InlineCount:               "$inlinecount value [%s] is invalid.",
	OrderSyntax:               "Odata $orderby parse error.",
	SelectSyntax:              "OData $select Parse error.",
	ExpandSyntax:              "OData $expand parse error.",
	BatchFormat:               "$batch body parse error: %s.",
	BatchSize:                 "Too many requests in $batch: more than %d.",
	LinkMultiplicity:          "Cannot create $links because multiplicity is [1:1].",
	ODataStructure:            "EntityType structure hierarchy exceeds the limit or number of properties exceeds the limit.",
	ODataTypes:                "EntityType count exceeds the limit.",
	LinkCount:                 "$links count exceeds the limit.",
	ExpandLimit:               "Total of the specified value of $expand exceeds the limit.",
	RelatedEntity:             "The related entity [%s] does not exist.",
	QueryValue:                "Query value [%s]=[%d] is invalid.",
	QueryOption:               "OData Query [%s] parse error.",
	AcceptHeader:              "Request header %s value is invalid [%s].",
	QueryUnsupported:          "Operation is not supported: %s",
	SchemaFormat:              "[%s] field format error. Schema URI should be either normalized URL with http(s) scheme and trailing slash, or URN.",
	ODataNotFound:             "Not found.",
	EntitySetNotFound:         "No such entity set.",
	EntityNotFound:            "No such entity.",
	NavigationNotFound:        "No such Navigation Property.",
	EntityInUse:               "This entity has related data.",
	LinkExists:                "Links exists already.",
	EntityExists:              "The entity already exists.",
	ObjectETagMismatch:        "ETag does not match.",
	RequestKey:                "Request header is invalid [X-Personium-RequestKey].",
	EventField:                "[%s] field format error.",
	DeleteCurrentLog:          "Cannot delete current eventLog file.",
	SnapshotPartMissing:       "%s",
	SnapshotVersion:           "%s",
	SnapshotNotZip:            "%s",
	SnapshotDamaged:           "%s",
	SnapshotTooLarge:          "%s",
	JobRunning:                "Because [%s] is being executed, writing to cell can not be done.",
	CellInUse:                 "Cell to be processed is being accessed by other requests.",
	SnapshotNotWritten:        "Files I/O error caused [create snapshot file] to fail.",
	ContentDamaged:            "The content of [%s] is missing or damaged.",
	GivenUp:                   "The operation is given up: %s.",
	Internal:                  "Unknown error.",
	NoSpace:                   "Insufficient storage.",
	QuotaExceeded:             "The quota of the cell is exceeded.",
	TooManyResources:          "The cell has too many resources.",
}
