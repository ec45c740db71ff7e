use leptos::prelude::*;

/// The pictures of the product: drawn on a grid of 24, as strokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyph {
    ArrowDown,
    ArrowRight,
    ArrowUp,
    Bolt,
    Book,
    Building,
    Chat,
    Check,
    CheckCircle,
    ChevronDown,
    ChevronLeft,
    ChevronRight,
    ChevronUp,
    Circle,
    Clock,
    Code,
    Coins,
    Columns,
    Copy,
    Cpu,
    Cross,
    CrossCircle,
    Database,
    Download,
    Edit,
    External,
    Eye,
    Filter,
    Flask,
    Folder,
    Gauge,
    History,
    Home,
    Image,
    Info,
    Key,
    Keyboard,
    Link,
    List,
    Lock,
    Menu,
    Minus,
    Monitor,
    Moon,
    More,
    Panel,
    Play,
    Plug,
    Plus,
    Question,
    Refresh,
    Route,
    Search,
    Send,
    Server,
    Shield,
    SignOut,
    Sliders,
    Sparkle,
    Star,
    Stop,
    Sun,
    Tag,
    Terminal,
    Trash,
    User,
    Users,
    Warning,
    Wrap,
    Wrench,
}

impl Glyph {
    /// The inside of the `<svg>`.
    pub const fn body(self) -> &'static str {
        match self {
            Self::ArrowDown => r#"<path d="M12 5v14M6 13l6 6 6-6"/>"#,
            Self::ArrowRight => r#"<path d="M5 12h14M13 6l6 6-6 6"/>"#,
            Self::ArrowUp => r#"<path d="M12 19V5M6 11l6-6 6 6"/>"#,
            Self::Bolt => r#"<path d="M13 3 5 13.5h6L10 21l9-11.5h-6.5z"/>"#,
            Self::Building => {
                r#"<path d="M5 21V4.5A1.5 1.5 0 0 1 6.5 3h8A1.5 1.5 0 0 1 16 4.5V21M16 9h2.5a1.5 1.5 0 0 1 1.5 1.5V21M3 21h18M9 7.5h3M9 11.5h3M9 15.5h3"/>"#
            }
            Self::Chat => {
                r#"<path d="M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H11l-4.5 4v-4A2.5 2.5 0 0 1 4 13.5zM8.5 8.5h7M8.5 11.8h4.5"/>"#
            }
            Self::Check => r#"<path d="m5 12.5 4.5 4.5L19 7.5"/>"#,
            Self::CheckCircle => r#"<circle cx="12" cy="12" r="9"/><path d="m8 12.3 2.8 2.7 5.2-5.6"/>"#,
            Self::ChevronDown => r#"<path d="m6.5 9.5 5.5 5.5 5.5-5.5"/>"#,
            Self::ChevronLeft => r#"<path d="M14.5 6.5 9 12l5.5 5.5"/>"#,
            Self::ChevronRight => r#"<path d="m9.5 6.5 5.5 5.5-5.5 5.5"/>"#,
            Self::ChevronUp => r#"<path d="m6.5 14.5 5.5-5.5 5.5 5.5"/>"#,
            Self::Circle => r#"<circle cx="12" cy="12" r="9"/>"#,
            Self::Clock => r#"<circle cx="12" cy="12" r="9"/><path d="M12 7v5.2l3.4 2"/>"#,
            Self::Code => r#"<path d="m8.5 7-5 5 5 5M15.5 7l5 5-5 5"/>"#,
            Self::Coins => {
                r#"<ellipse cx="12" cy="6.5" rx="7" ry="3"/><path d="M5 6.5v5.3c0 1.7 3.1 3 7 3s7-1.3 7-3V6.5M5 11.8v5.4c0 1.7 3.1 3 7 3s7-1.3 7-3v-5.4"/>"#
            }
            Self::Columns => r#"<rect x="3.5" y="4.5" width="17" height="15" rx="2"/><path d="M12 4.5v15"/>"#,
            Self::Copy => {
                r#"<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M15 9V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h3"/>"#
            }
            Self::Cpu => {
                r#"<rect x="6.5" y="6.5" width="11" height="11" rx="2"/><rect x="10" y="10" width="4" height="4" rx=".5"/><path d="M9.5 6.5V3.5M14.5 6.5V3.5M9.5 20.5v-3M14.5 20.5v-3M6.5 9.5h-3M6.5 14.5h-3M20.5 9.5h-3M20.5 14.5h-3"/>"#
            }
            Self::Cross => r#"<path d="m6.5 6.5 11 11M17.5 6.5l-11 11"/>"#,
            Self::CrossCircle => r#"<circle cx="12" cy="12" r="9"/><path d="m9 9 6 6M15 9l-6 6"/>"#,
            Self::Database => {
                r#"<ellipse cx="12" cy="6" rx="7.5" ry="3"/><path d="M4.5 6v12c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3V6M4.5 12c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3"/>"#
            }
            Self::Download => r#"<path d="M12 4v11M7 10.5l5 5 5-5M5 20h14"/>"#,
            Self::Edit => r#"<path d="M4.5 19.5 5.5 15 16 4.5l3.5 3.5L9 18.500zM13.5 7l3.5 3.5"/>"#,
            Self::External => {
                r#"<path d="M13.5 4.500h6v6M19.5 4.5 11 13M17.5 14v4a1.5 1.5 0 0 1-1.5 1.500H6A1.5 1.5 0 0 1 4.5 18V8A1.5 1.5 0 0 1 6 6.500h4"/>"#
            }
            Self::Eye => {
                r#"<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z"/><circle cx="12" cy="12" r="2.8"/>"#
            }
            Self::Filter => r#"<path d="M4 6.500h16M7 12h10M10 17.500h4"/>"#,
            Self::Flask => {
                r#"<path d="M9 3.500h6M10 3.500v6L4.8 18a1.7 1.7 0 0 0 1.5 2.500h11.400a1.7 1.7 0 0 0 1.5-2.500L14 9.500v-6M7.5 14.500h9"/>"#
            }
            Self::History => r#"<path d="M3.5 5v4.500H8M3.8 9.500a8.5 8.5 0 1 1-.3 4.500M12 7.500V12l3 2"/>"#,
            Self::Home => {
                r#"<path d="m3.5 11.5 8.5-7.5 8.5 7.500M5.5 10v9a1 1 0 0 0 1 1h11a1 1 0 0 0 1-1v-9M10 20v-5.500h4V20"/>"#
            }
            Self::Image => {
                r#"<rect x="3.5" y="4.5" width="17" height="15" rx="2"/><circle cx="9" cy="10" r="1.6"/><path d="m4 17.5 5-4.5 3.5 3 3.5-3.5 4.5 4"/>"#
            }
            Self::Info => r#"<circle cx="12" cy="12" r="9"/><path d="M12 11v5.500M12 7.500v.2"/>"#,
            Self::Key => r#"<circle cx="8" cy="15.5" r="4"/><path d="m11 12.5 8-8M15.5 8l3 3M18 5.500l2 2"/>"#,
            Self::Keyboard => {
                r#"<rect x="2.5" y="6" width="19" height="12" rx="2"/><path d="M6.5 10h.2M10 10h.2M13.8 10h.2M17.3 10h.2M8 14h8"/>"#
            }
            Self::Link => {
                r#"<path d="M10 14a4 4 0 0 0 5.8.3l3-3a4 4 0 0 0-5.7-5.700L11.8 7M14 10a4 4 0 0 0-5.8-.3l-3 3a4 4 0 0 0 5.7 5.700l1.3-1.4"/>"#
            }
            Self::Lock => {
                r#"<rect x="5" y="10.5" width="14" height="10" rx="2"/><path d="M8 10.500V8a4 4 0 0 1 8 0v2.5"/>"#
            }
            Self::Menu => r#"<path d="M4 6.500h16M4 12h16M4 17.500h16"/>"#,
            Self::Minus => r#"<path d="M5.5 12h13"/>"#,
            Self::Monitor => r#"<rect x="3" y="4.5" width="18" height="12" rx="2"/><path d="M8.5 20h7M12 16.500V20"/>"#,
            Self::Moon => r#"<path d="M20 14.200A8.3 8.3 0 1 1 9.8 4a6.5 6.5 0 0 0 10.2 10.200z"/>"#,
            Self::More => r#"<path d="M5.5 12h.2M12 12h.2M18.5 12h.2" stroke-width="2.5"/>"#,
            Self::Panel => r#"<rect x="3.5" y="4.5" width="17" height="15" rx="2"/><path d="M9.5 4.500v15"/>"#,
            Self::Play => r#"<path d="M7.5 5v14l11-7z"/>"#,
            Self::Plug => r#"<path d="M9 3.500V8M15 3.500V8M6.5 8h11v3.500a5.5 5.5 0 0 1-11 0zM12 17v4"/>"#,
            Self::Plus => r#"<path d="M12 5.500v13M5.5 12h13"/>"#,
            Self::Question => {
                r#"<circle cx="12" cy="12" r="9"/><path d="M9.5 9.500a2.6 2.6 0 1 1 3.7 2.400c-.8.4-1.2.9-1.2 1.800M12 16.600v.2"/>"#
            }
            Self::Refresh => {
                r#"<path d="M20 5v4.500h-4.500M19.7 9.500A8.3 8.3 0 0 0 4.5 9M4 19v-4.500h4.500M4.3 14.500A8.3 8.3 0 0 0 19.5 15"/>"#
            }
            Self::Search => r#"<circle cx="11" cy="11" r="6.5"/><path d="m16 16 4.5 4.5"/>"#,
            Self::Send => r#"<path d="M20.5 3.5 3.5 10l7 3.5 3.5 7zM20.5 3.500l-10 10"/>"#,
            Self::Server => {
                r#"<rect x="4" y="4" width="16" height="7" rx="2"/><rect x="4" y="13" width="16" height="7" rx="2"/><path d="M8 7.500h.2M8 16.500h.2M12 7.500h4M12 16.500h4"/>"#
            }
            Self::SignOut => {
                r#"<path d="M10 4.500H6.500A1.5 1.5 0 0 0 5 6v12a1.5 1.5 0 0 0 1.5 1.500H10M10 12h10M16 8l4 4-4 4"/>"#
            }
            Self::Sliders => {
                r#"<path d="M4 7.500h8M17 7.500h3M4 16.500h3M12 16.500h8"/><circle cx="14.5" cy="7.5" r="2.3"/><circle cx="9.5" cy="16.5" r="2.3"/>"#
            }
            Self::Sparkle => {
                r#"<path d="M11 4.500c.6 4.7 2.3 6.4 7 7-4.7.6-6.4 2.3-7 7-.6-4.7-2.3-6.4-7-7 4.7-.6 6.4-2.3 7-7zM18.5 3.500v4M16.5 5.500h4"/>"#
            }
            Self::Star => r#"<path d="m12 4 2.5 5.2 5.7.8-4.1 4 1 5.7-5.1-2.7-5.1 2.7 1-5.7-4.1-4 5.7-.8z"/>"#,
            Self::Stop => r#"<rect x="6.5" y="6.5" width="11" height="11" rx="1.5"/>"#,
            Self::Sun => {
                r#"<circle cx="12" cy="12" r="3.8"/><path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.400M18.4 5.6 17 7M7 17l-1.4 1.4"/>"#
            }
            Self::Terminal => {
                r#"<rect x="3" y="4.5" width="18" height="15" rx="2"/><path d="m7 9.5 3 2.7-3 2.800M12.5 15H17"/>"#
            }
            Self::Trash => {
                r#"<path d="M4.5 6.500h15M9 6.500V5a1.5 1.5 0 0 1 1.5-1.500h3A1.5 1.5 0 0 1 15 5v1.500M6.5 6.500l.8 12a1.5 1.5 0 0 0 1.5 1.500h6.400a1.5 1.5 0 0 0 1.5-1.500l.8-12M10 10.500v5.500M14 10.500v5.5"/>"#
            }
            Self::User => r#"<circle cx="12" cy="8" r="4"/><path d="M4.5 20.500c.8-3.8 3.7-6 7.5-6s6.7 2.2 7.5 6"/>"#,
            Self::Warning => r#"<path d="M12 4 2.8 19.500h18.400zM12 10v4.500M12 17v.2"/>"#,
            Self::Wrap => r#"<path d="M4 6.500h16M4 12h12.500a3 3 0 0 1 0 6H12M14.5 15.5 12 18l2.5 2.500M4 18h4"/>"#,
            Self::Book => {
                r#"<path d="M5 5.500A1.5 1.5 0 0 1 6.5 4H19v13H6.500A1.5 1.5 0 0 0 5 18.500zM5 18.500A1.5 1.5 0 0 0 6.5 20H19v-3"/>"#
            }
            Self::Folder => {
                r#"<path d="M3.500 7A1.500 1.500 0 0 1 5 5.500h4.500l2 2.500H19A1.500 1.500 0 0 1 20.500 9.500V17a1.500 1.500 0 0 1-1.500 1.500H5A1.500 1.500 0 0 1 3.500 17z"/>"#
            }
            Self::Gauge => {
                r#"<path d="M4.500 18a8.500 8.500 0 1 1 15 0M12 14l4-5"/><circle cx="12" cy="14.500" r="1.200"/>"#
            }
            Self::List => {
                r#"<path d="M8.500 6.500H20M8.500 12H20M8.500 17.500H20M4.500 6.500h.2M4.500 12h.2M4.500 17.500h.2"/>"#
            }
            Self::Route => {
                r#"<circle cx="6" cy="18" r="2.500"/><circle cx="18" cy="6" r="2.500"/><path d="M8.500 18H15a3 3 0 0 0 0-6H9a3 3 0 0 1 0-6h6.500"/>"#
            }
            Self::Shield => {
                r#"<path d="M12 3.500 5 6v5.500c0 4.300 2.800 7.600 7 9 4.200-1.400 7-4.700 7-9V6zM9 12l2.200 2.200L15.200 10"/>"#
            }
            Self::Tag => r#"<path d="M4 4.500h7.500L20 13l-7 7-8.500-8.500zM8 8.200h.2"/>"#,
            Self::Users => {
                r#"<circle cx="9" cy="8.500" r="3.500"/><path d="M2.800 19.500c.6-3.300 3-5 6.200-5s5.600 1.700 6.200 5M15.500 5.300a3.500 3.500 0 0 1 0 6.400M17.500 14.800c2 .6 3.300 2.200 3.700 4.700"/>"#
            }
            Self::Wrench => {
                r#"<path d="M20 7.500a5 5 0 0 1-6.8 5.300l-6 6a2 2 0 0 1-2.9-2.900l6-6A5 5 0 0 1 16 3.800L13.5 6.500l.7 3 3 .7z"/>"#
            }
        }
    }
}

/// A picture beside words; it says nothing by itself and readers skip it.
#[component]
pub fn Icon(
    glyph: Glyph,
    /// Size and colour (default: 16 px, the colour of the text).
    #[prop(default = "size-4")]
    class: &'static str,
) -> impl IntoView {
    view! {
        <svg
            class=class
            viewBox="0 0 24 24"
            fill="none"
            stroke="currentColor"
            stroke-width="1.75"
            stroke-linecap="round"
            stroke-linejoin="round"
            aria-hidden="true"
            focusable="false"
            inner_html=glyph.body()
        ></svg>
    }
}
