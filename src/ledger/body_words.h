/* body_words: what most messages say, and bodies are therefore packed without.
 *
 * Never changed by a byte, or no ledger can be read any more: other words get another mark in
 * body.c, beside these.  In the order in which clients write; the form of the
 * document after Microsoft's captures of state messages, and the documented topics 800
 * (deployment), 1000 (communication) and 1001 (certificate). */
#ifndef LEDGER_BODY_WORDS_H
#define LEDGER_BODY_WORDS_H

static const char body_words[] =
        "<StateDetails Type=\"1\"><![CDATA[<ClientDeploymentMessage ErrorCode=\"-2147012889\">"
        "<Client Baseline=\"1\" BaselineCookie=\"\" Platform=\"2\" Langs=\"\"/></ClientDeploymentMessage>]]>"
        "</StateDetails>"
        "<Topic ID=\"CCM Framework Communication State\" Type=\"1000\" IDType=\"0\" User=\"\" UserSID=\"\"/>"
        "<Topic ID=\"CCM Framework Certificate State\" Type=\"1001\" IDType=\"0\" User=\"\" UserSID=\"\"/>"
        "<Param>http://</Param><Param>https://</Param><Param>/CCM_Client/ccmsetup.cab</Param><Param>0x80</"
        "Param>"
        "<Param>-2147</Param>"
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n"
        "<Report><ReportHeader><Identification><Machine><ClientInstalled>1</ClientInstalled>"
        "<ClientInstalled>0</ClientInstalled><ClientType>1</ClientType><ClientID>GUID:</ClientID>"
        "<ClientVersion>5.00.9096.1000</ClientVersion><NetBIOSName></NetBIOSName><CodePage>437</CodePage>"
        "<SystemDefaultLCID>1033</SystemDefaultLCID><Priority>5</Priority></Machine></Identification>"
        "<ReportDetails><ReportContent>State Message Data</ReportContent><ReportType>Full</ReportType>"
        "<Date>.000000+000</Date><Version>1.0</Version><Format>1.0</Format></ReportDetails></"
        "ReportHeader>\r\n"
        "<ReportBody><StateMessage MessageTime=\"20\" SerialNumber=\"1\">"
        "<Topic ID=\"{0D94311F-CB7B-4E73-94B1-75878081111C}\" Type=\"800\" IDType=\"0\" User=\"\" "
        "UserSID=\"\"/>"
        "<State ID=\"\" Criticality=\"0\"/><UserParameters Flags=\"0\" Count=\"1\"><Param></Param>"
        "<Param></Param></UserParameters></StateMessage></ReportBody></Report>\r\n";
#define BODY_WORDS_SIZE (sizeof(body_words) - 1)

#endif
